class McpFerry < Formula
  desc "@DESCRIPTION@"
  homepage "@REPOSITORY@"
  version "@VERSION@"
  license any_of: [@LICENCE@]

@ARCHIVES@

  def install
    bin.install "mcp-ferry"
    man1.install Dir["man/*.1"]
    bash_completion.install "completions/mcp-ferry.bash" => "mcp-ferry"
    zsh_completion.install "completions/_mcp-ferry"
    fish_completion.install "completions/mcp-ferry.fish"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/mcp-ferry --version")
  end
end
