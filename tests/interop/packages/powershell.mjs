// Is a script for PowerShell well formed? Prints "parsed", or the places that are not.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { Language, Parser } from 'web-tree-sitter';

const grammar = createRequire(import.meta.url).resolve('tree-sitter-powershell/tree-sitter-powershell.wasm');
await Parser.init();
const parser = new Parser();
parser.setLanguage(await Language.load(grammar));

const wrong = [];
const visit = (node) => {
  if (node.isError || node.isMissing) {
    wrong.push(`line ${node.startPosition.row + 1}: ${node.text.slice(0, 80)}`);
  }
  node.children.forEach(visit);
};
visit(parser.parse(readFileSync(process.argv[2], 'utf8')).rootNode);
console.log(wrong.length ? wrong.join('\n') : 'parsed');
