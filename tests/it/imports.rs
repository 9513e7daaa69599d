//! Which files of `src` import each other? The structure of the program must stay readable: no circle of imports may
//! cross a folder, and inside a folder no circle may have more than five files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A module's path, without `crate`.
type Module = Vec<String>;

/// A circle inside a folder may have this many files.
const LARGEST: usize = 5;

#[test]
fn no_circle_of_imports_crosses_a_folder() {
    let modules = Modules::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(modules.0.len() > 100, "the sources are found");
    for circle in modules.circles() {
        let folders: BTreeSet<_> = circle.iter().map(|module| modules.folder(module)).collect();
        let names: Vec<_> = circle.iter().map(|module| module.join("::")).collect();
        assert!(folders.len() == 1, "a circle of imports crosses a folder: {}", names.join(", "));
        assert!(circle.len() <= LARGEST, "a circle of imports is too large: {}", names.join(", "));
    }
}

#[test]
fn a_circle_through_a_re_export_is_found() {
    let file = |text: &str| File::parse(text);
    let mut modules = Modules(BTreeMap::new());
    modules.0.insert(path("a"), file("mod b;\npub use b::B;\n"));
    modules.0.insert(path("a::b"), file("use crate::c::{self, C as Other};\n// use crate::d::D;\n"));
    modules.0.insert(path("c"), file("use super::a::B;\n#[cfg(test)]\nmod tests {\n    use crate::d::D;\n}\n"));
    modules.0.insert(path("d"), file("fn f() { crate::c::g() }"));
    assert_eq!(modules.circles(), [vec![path("a::b"), path("c")]]);
}

fn path(text: &str) -> Module {
    text.split("::").map(str::to_owned).collect()
}

struct Modules(BTreeMap<Module, File>);

/// What one file imports.
struct File {
    /// The paths of `use` declarations, with whether they are `pub`.
    uses: Vec<(bool, Module)>,
    /// The paths in its code.
    paths: Vec<Module>,
}

impl File {
    fn parse(text: &str) -> Self {
        let code = text.split("\n#[cfg(test)]\n").next().unwrap();
        let (mut uses, mut rest) = (Vec::new(), String::new());
        let mut lines = code.lines().map(|line| line.split("//").next().unwrap());
        while let Some(line) = lines.next() {
            let Some((visibility, tree)) = line.trim_start().split_once("use ").filter(|(before, _)| {
                before.is_empty()
                    || before.trim_end() == "pub"
                    || (before.starts_with("pub(") && before.ends_with(") "))
            }) else {
                rest.push_str(line);
                rest.push('\n');
                continue;
            };
            let mut tree = tree.to_owned();
            while !tree.ends_with(';') {
                tree.push_str(lines.next().unwrap());
            }
            let paths = expand(tree.trim_end_matches(';'));
            uses.extend(paths.into_iter().map(|path| (!visibility.is_empty(), path)));
        }
        let words = rest.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
        let paths = words.filter(|word| word.contains("::") && !word.starts_with(':')).map(path).collect();
        Self { uses, paths }
    }
}

/// `a::{b, c as d}` as its paths.
fn expand(tree: &str) -> Vec<Module> {
    let tree = tree.trim();
    let Some((prefix, rest)) = tree.split_once('{') else {
        let plain = tree.split(" as ").next().unwrap().trim();
        return if plain.is_empty() { Vec::new() } else { vec![path(plain)] };
    };
    let prefix: Module = prefix.trim().split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let inner = &rest[..rest.rfind('}').unwrap()];
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.extend(expand(&inner[start..at]).into_iter().map(|part| [prefix.clone(), part].concat()));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts
}

impl Modules {
    fn read(src: &Path) -> Self {
        let mut modules = BTreeMap::new();
        let mut folders = vec![src.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let file = entry.unwrap().path();
                let module = file.strip_prefix(src).unwrap().with_extension("");
                let mut module: Module = module.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
                if module.iter().any(|part| part == "tests" || part == "main") {
                    continue;
                }
                if file.is_dir() {
                    folders.push(file);
                    continue;
                }
                module.pop_if(|last| last == "mod" || last == "lib");
                modules.insert(module, File::parse(&std::fs::read_to_string(&file).unwrap()));
            }
        }
        Self(modules)
    }

    /// The folder in which a module's file stands.
    fn folder(&self, module: &Module) -> Module {
        let has_children = self.0.keys().any(|other| other.len() > module.len() && other.starts_with(module));
        if has_children { module.clone() } else { module[..module.len().saturating_sub(1)].to_vec() }
    }

    /// The module that defines the end of this path, seen from `from`; `None` for other crates.
    fn resolve(&self, from: &Module, path: &[String]) -> Option<Module> {
        let (mut at, mut rest) = match path.first()?.as_str() {
            "crate" => (Module::new(), &path[1..]),
            "self" => (from.clone(), &path[1..]),
            "super" => (from.clone(), path),
            first => {
                let child = [from.clone(), vec![first.to_owned()]].concat();
                let imported = self.0[from].uses.iter().find(|(_, used)| used.last().is_some_and(|last| last == first));
                match imported {
                    _ if self.0.contains_key(&child) => (from.clone(), path),
                    Some((_, used)) if used.first().is_some_and(|root| root != first) => {
                        (self.resolve(from, used)?, &path[1..])
                    }
                    _ => return None,
                }
            }
        };
        while let [first, after @ ..] = rest {
            if first == "super" {
                at.pop()?;
            } else if self.0.contains_key(&[at.clone(), vec![first.clone()]].concat()) {
                at.push(first.clone());
            } else {
                break;
            }
            rest = after;
        }
        let Some(name) = rest.first().filter(|name| *name != "self") else { return Some(at) };
        let mut exports = self.0[&at].uses.iter().filter(|(is_pub, used)| *is_pub && used.last() == Some(name));
        match exports.next() {
            Some((_, used)) if at != *from => self.resolve(&at, used),
            _ => Some(at),
        }
    }

    fn imports(&self, module: &Module) -> BTreeSet<Module> {
        let file = &self.0[module];
        let own = file.uses.iter().filter(|(is_pub, _)| !is_pub).map(|(_, path)| path);
        let imports = own.chain(&file.paths).filter_map(|path| self.resolve(module, path));
        imports.filter(|import| import != module && !import.is_empty()).collect()
    }

    /// Groups of modules each of which imports, in some steps, each other.
    fn circles(&self) -> Vec<Vec<Module>> {
        let imports: BTreeMap<_, _> = self.0.keys().map(|module| (module, self.imports(module))).collect();
        let reached: BTreeMap<_, BTreeSet<_>> = imports
            .keys()
            .map(|module| {
                let (mut reached, mut left) = (BTreeSet::new(), vec![*module]);
                while let Some(next) = left.pop() {
                    left.extend(imports[next].iter().filter(|import| reached.insert(*import)));
                }
                (*module, reached)
            })
            .collect();
        let circle = |module: &Module| -> Vec<Module> {
            let back = |other: &&&Module| reached[**other].contains(module);
            reached[module].iter().filter(back).map(|other| (*other).clone()).collect()
        };
        let circles: BTreeSet<_> = self.0.keys().map(circle).filter(|circle| circle.len() > 1).collect();
        circles.into_iter().collect()
    }
}
