# Installs mcp-ferry @VERSION@ into %LOCALAPPDATA%\Programs\mcp-ferry, or into the folder that MCP_FERRY_INSTALL_DIR names.
#
# The sums of the archives stand below: what has another sum is not unpacked. MCP_FERRY_DOWNLOAD_URL is another
# place to load the archives from, for a company's own copy. Works with the PowerShell that Windows has, 5.1.

function Install-McpFerry {
    $Machines = @{
@MACHINES@
    }
    $ErrorActionPreference = 'Stop'
    # 5.1 draws a bar that makes a download many times slower.
    $ProgressPreference = 'SilentlyContinue'
    [Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12

    $From = if ($env:MCP_FERRY_DOWNLOAD_URL) { $env:MCP_FERRY_DOWNLOAD_URL } else { '@RELEASE@' }
    $Into = if ($env:MCP_FERRY_INSTALL_DIR) { $env:MCP_FERRY_INSTALL_DIR } else { Join-Path $env:LOCALAPPDATA 'Programs\mcp-ferry' }
    # In a process of 32 bits the second variable is the machine's own.
    $Processor = if ($env:PROCESSOR_ARCHITEW6432) { $env:PROCESSOR_ARCHITEW6432 } else { $env:PROCESSOR_ARCHITECTURE }
    $Machine = if ($Processor) { $Machines[$Processor] }
    if (-not $Machine) { throw "mcp-ferry: there is no program for the processor '$Processor'; nothing was installed" }

    $Scratch = Join-Path ([IO.Path]::GetTempPath()) ([Guid]::NewGuid())
    New-Item -ItemType Directory -Path $Scratch | Out-Null
    try {
        $Archive = Join-Path $Scratch "$($Machine.Name).zip"
        Invoke-WebRequest -UseBasicParsing -Uri "$From/$($Machine.Name).zip" -OutFile $Archive
        $Found = (Get-FileHash -Algorithm SHA256 -LiteralPath $Archive).Hash
        if ($Found -ne $Machine.Sum) { throw "mcp-ferry: $($Machine.Name).zip has the sum $Found instead of $($Machine.Sum); nothing was installed" }
        Expand-Archive -LiteralPath $Archive -DestinationPath $Scratch
        New-Item -ItemType Directory -Force -Path $Into | Out-Null
        $Program = Join-Path $Into 'mcp-ferry.exe'
        if (Test-Path -LiteralPath $Program -PathType Container) { throw "mcp-ferry: $Program is a folder; nothing was installed" }
        $New = "$Program.new-$([Guid]::NewGuid())"
        Copy-Item -LiteralPath (Join-Path $Scratch "$($Machine.Name)\mcp-ferry.exe") -Destination $New
        # Windows lets a program that runs be renamed, not replaced.
        $Old = "$Program.old-$([Guid]::NewGuid())"
        if (Test-Path -LiteralPath $Program) { Move-Item -LiteralPath $Program -Destination $Old }
        try {
            Move-Item -LiteralPath $New -Destination $Program
        } catch {
            if (Test-Path -LiteralPath $Old) { Move-Item -LiteralPath $Old -Destination $Program }
            throw
        }
        # One that still runs stays until the next time.
        Get-ChildItem -LiteralPath $Into -Filter 'mcp-ferry.exe.*-*' | Remove-Item -Force -ErrorAction SilentlyContinue
    } finally {
        Remove-Item -Recurse -Force -LiteralPath $Scratch
    }
    Write-Output "installed $Program"
    Write-Output "next: & '$Program' install URL"
}

# All of it is read before it runs, so that half a script does nothing.
Install-McpFerry
