"""The configuration files that each installer gets: what people have in them, and what some editors leave."""

import json

SERVER = '"mine": {"command": "x", "env": {"A": "1"}}'


def wide(text):
    return text.encode("utf-16")


def large(key):
    entries = {f"server-{number}": {"command": "x", "args": ["y" * 60] * 8} for number in range(8000)}
    return json.dumps({key: entries}, indent=2)


def json_files(key):
    """Name and content. `key` is the section in which this client has its servers."""
    texts = {
        "empty": "",
        "an empty object": "{}",
        "no section": '{\n  "theme": "dark"\n}\n',
        "an empty section": f'{{\n  "{key}": {{}}\n}}\n',
        "a server": f'{{\n  "{key}": {{\n    {SERVER}\n  }},\n  "z": null\n}}\n',
        "four blanks": f'{{\n    "{key}": {{\n        {SERVER}\n    }}\n}}',
        "tabs": f'{{\n\t"{key}": {{\n\t\t{SERVER}\n\t}}\n}}\n',
        "lines of Windows": f'{{\r\n  "{key}": {{\r\n    {SERVER}\r\n  }}\r\n}}\r\n',
        "minified": f'{{"x":1,"{key}":{{{SERVER}}},"y":[1,2]}}',
        "ragged": f'{{ "x"\n:1,\n\n"{key}"\n:\n{{{SERVER}\n}}\n}}',
        "big numbers": f'{{"n": 12345678901234567890, "f": 1.0, "e": 1e3, "{key}": {{{SERVER}}}}}\n',
        "escapes": f'{{"\\u00e9": "\\u2192 \\/", "{key}": {{{SERVER}}}}}\n',
        "letters of many scripts": f'{{"é→😀": "ü", "{key}": {{{SERVER}}}}}\n',
        "lists on one line": f'{{\n  "list": [1, 2, 3],\n  "{key}": {{ {SERVER} }}\n}}\n',
        "order of keys": f'{{\n  "z": 1,\n  "{key}": {{{SERVER}}},\n  "a": 2\n}}\n',
        "a byte order mark": f'\ufeff{{\n  "{key}": {{\n    {SERVER}\n  }}\n}}\n',
        "comments": f'// mine\n{{\n  /* before */ "{key}": {{ // servers\n    {SERVER} // last\n  }}\n}}\n',
        "a comment in the section": f'{{\n  "{key}": {{\n    // "off": {{}},\n    {SERVER}\n  }}\n}}\n',
        "a trailing comma": f'{{\n  "{key}": {{\n    {SERVER},\n  }},\n}}\n',
        "a key twice": f'{{"{key}": {{}}, "x": 1, "{key}": {{{SERVER}}}}}\n',
        "an escaped key": f'{{"{key[:-1]}\\u{ord(key[-1]):04x}": {{{SERVER}}}}}\n',
        "cut off": f'{{\n  "{key}": {{\n    "mine": {{"command": "x"',
        "a section that is null": f'{{"{key}": null, "x": 1}}\n',
        "a section that is a list": f'{{"{key}": [1, 2], "x": 1}}\n',
        "a list": "[1, 2]\n",
        "single quotes": f"{{'{key}': {{}}}}\n",
        "a conflict of git": f'{{\n<<<<<<< HEAD\n  "x": 1,\n=======\n  "x": 2,\n>>>>>>> b\n  "{key}": {{}}\n}}\n',
        "5 MB": large(key),
    }
    files = {name: text.encode() for name, text in texts.items()}
    files["UTF-16"] = wide(f'{{"{key}": {{{SERVER}}}}}\n')
    files["Latin-1"] = f'{{"x": "\u00e9", "{key}": {{{SERVER}}}}}\n'.encode("latin-1")
    return files


TOML = {
    "empty": "",
    "settings": 'model = "x" # mine\napproval = \'never\'\n\n[a.b]\nc = 1979-05-27T07:32:00Z\nd = 0xFF\n',
    "a server": '# servers\n[mcp_servers.mine] # this\ncommand = "x"\nargs = [ "y", ] # those\nenv = { A = "1" }\n',
    "lines of Windows": '# mine\r\n[mcp_servers.mine]\r\ncommand = "x"\r\n',
    "texts of lines": "x = '''\n[mcp_servers.docs]\n'''\ny = \"\"\"\\\n  z\"\"\"\n",
    "a byte order mark": '\ufeffmodel = "x"\n',
    "no last line end": "[mcp_servers.mine]\ncommand = 'x'",
    "inline": 'mcp_servers = { mine = { command = "x" } } # short\n',
    "broken": "model = \n",
}

YAML = {
    "empty": "",
    "settings": "GOOSE_MODEL: x # mine\nGOOSE_MODE: 'auto'\n",
    "a server": "# mine\nextensions:\n  dev:\n    enabled: yes # Norway\n    name: dev\n    type: builtin\nX: 'y'\n",
    "lines of Windows": "extensions:\r\n  dev:\r\n    enabled: true\r\n    type: builtin\r\n",
    "anchors": "a: &a\n  enabled: true\nextensions:\n  dev:\n    <<: *a\n    type: builtin\n",
    "folded texts": "note: >\n  one\n  two\nextensions:\n  dev:\n    type: builtin\n    description: |\n      a\n      b\n",
    "flow": "extensions: {}\n",
    "broken": "a: [\n",
}


def toml_files(_):
    return {name: text.encode() for name, text in TOML.items()}


def yaml_files(_):
    return {name: text.encode() for name, text in YAML.items()}
