//! The page's one script: the modules in `templates/report/script/`, joined.
//!
//! Joined modules share one scope, so `import` and `export` go, and a name may be declared once in all of them.

use std::sync::LazyLock;

/// The modules, each behind those that it imports from.
const MODULES: [&str; 14] = [
    include_str!("../../../templates/report/script/printable.mjs"),
    include_str!("../../../templates/report/script/element.mjs"),
    include_str!("../../../templates/report/script/fragment.mjs"),
    include_str!("../../../templates/report/script/data.mjs"),
    include_str!("../../../templates/report/script/filter.mjs"),
    include_str!("../../../templates/report/script/csv.mjs"),
    include_str!("../../../templates/report/script/remediation.mjs"),
    include_str!("../../../templates/report/script/detail.mjs"),
    include_str!("../../../templates/report/script/table.mjs"),
    include_str!("../../../templates/report/script/choices.mjs"),
    include_str!("../../../templates/report/script/detections.mjs"),
    include_str!("../../../templates/report/script/detected.mjs"),
    include_str!("../../../templates/report/script/hooks.mjs"),
    include_str!("../../../templates/report/script/main.mjs"),
];

static BUNDLE: LazyLock<String> = LazyLock::new(|| {
    let mut bundle = String::new();
    for line in MODULES.into_iter().flat_map(str::lines).filter(|line| !is_import(line)) {
        bundle.push_str(line.strip_prefix("export ").unwrap_or(line));
        bundle.push('\n');
    }
    bundle
});

/// The page's one script.
pub(super) fn bundle() -> &'static str {
    &BUNDLE
}

fn is_import(line: &str) -> bool {
    line.starts_with("import ") && line.ends_with(".mjs\";")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_module_is_in_the_script_behind_those_it_imports_from() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/report/script");
        let mut known = BTreeSet::new();
        for module in MODULES {
            for line in module.lines().filter(|line| line.starts_with("import")) {
                assert!(is_import(line), "an import has a line of its own: {line}");
                let from = line.rsplit_once("./").map_or("", |(_, file)| file.trim_end_matches("\";"));
                assert!(known.contains(from), "{from} comes after its import");
            }
            let file = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
            let file =
                file.into_iter().find(|file| std::fs::read_to_string(file).unwrap() == module).unwrap();
            known.insert(file.file_name().unwrap().to_str().unwrap().to_owned());
        }
        assert_eq!(known.len(), std::fs::read_dir(&folder).unwrap().count(), "{known:?}");
    }

    #[test]
    fn no_name_is_declared_twice() {
        let mut names = BTreeSet::new();
        for line in bundle().lines() {
            let line = line.strip_prefix("async ").unwrap_or(line);
            let declared =
                ["function ", "class ", "const ", "let "].iter().find_map(|kind| line.strip_prefix(kind));
            let Some(declared) = declared else { continue };
            let name = declared.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            assert!(names.insert(name), "`{name}` is declared twice");
        }
        assert!(names.contains("printable") && names.contains("Explorer"));
    }

    #[test]
    fn the_script_can_stand_in_the_page_as_it_is() {
        let script = bundle();
        assert!(!script.lines().any(|line| line.starts_with("import ") || line.starts_with("export ")));
        for meant_for_others in ["</script", "<!--", "<script", "{{", "{%", "{#"] {
            assert!(!script.contains(meant_for_others), "{meant_for_others}");
        }
        for dangerous in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"]
        {
            assert!(!script.contains(dangerous), "{dangerous}");
        }
    }
}
