# Installs mcp-ferry @VERSION@ into %LOCALAPPDATA%\Programs\mcp-ferry, or into the folder that MCP_FERRY_INSTALL_DIR names.
#
# The sums of the archives stand below: what has another sum is not unpacked. MCP_FERRY_DOWNLOAD_URL is another
# place to load the archives from, for a company's own copy. Works with the PowerShell that Windows has, 5.1.

$Machines = @{
@MACHINES@
}

function Install-McpFerry {
    $ErrorActionPreference = 'Stop'
    # 5.1 draws a bar that makes a download many times slower.
    $ProgressPreference = 'SilentlyContinue'
    [Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12

    $From = if ($env:MCP_FERRY_DOWNLOAD_URL) { $env:MCP_FERRY_DOWNLOAD_URL } else { '@RELEASE@' }
    $Into = if ($env:MCP_FERRY_INSTALL_DIR) { $env:MCP_FERRY_INSTALL_DIR } else { Join-Path $env:LOCALAPPDATA 'Programs\mcp-ferry' }
    # In a process of 32 bits the second variable is the machine's own.
    $Processor = if ($env:PROCESSOR_ARCHITEW6432) { $env:PROCESSOR_ARCHITEW6432 } else { $env:PROCESSOR_ARCHITECTURE }
    $Machine = $Machines[$Processor]
    if (-not $Machine) { throw "mcp-ferry: there is no program for $Processor" }

    $Scratch = Join-Path ([IO.Path]::GetTempPath()) ([Guid]::NewGuid())
    New-Item -ItemType Directory -Path $Scratch | Out-Null
    try {
        $Archive = Join-Path $Scratch "$($Machine.Name).zip"
        Invoke-WebRequest -UseBasicParsing -Uri "$From/$($Machine.Name).zip" -OutFile $Archive
        $Found = (Get-FileHash -Algorithm SHA256 -Path $Archive).Hash
        if ($Found -ne $Machine.Sum) { throw "mcp-ferry: $($Machine.Name).zip has the sum $Found instead of $($Machine.Sum); nothing was installed" }
        Expand-Archive -Path $Archive -DestinationPath $Scratch
        New-Item -ItemType Directory -Force -Path $Into | Out-Null
        $Program = Join-Path $Into 'mcp-ferry.exe'
        # Windows lets a program that runs be renamed, not replaced.
        if (Test-Path $Program) {
            Get-ChildItem -Path $Into -Filter 'mcp-ferry.exe.old*' | Remove-Item -Force -ErrorAction SilentlyContinue
            Move-Item -Force -Path $Program -Destination "$Program.old-$([Guid]::NewGuid())"
        }
        Copy-Item -Path (Join-Path $Scratch "$($Machine.Name)\mcp-ferry.exe") -Destination $Program
    } finally {
        Remove-Item -Recurse -Force -Path $Scratch
    }
    Write-Output "installed $Program"
    Write-Output "next: & '$Program' install URL"
}

# All of it is read before it runs, so that half a script does nothing.
Install-McpFerry
