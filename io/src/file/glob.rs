use std::io;
use std::path::{Component, Path, PathBuf};

use millstream_engine::fs::Fs;

/// A directory, or all directories that fit a pattern: `*` stands for any characters within one component of the path, `?` for
/// one. A directory whose name begins with a dot is meant only by a component that begins with one too.
#[derive(Clone, Debug)]
pub(super) struct DirectoryPattern {
    text: PathBuf,
    is_pattern: bool,
}

impl DirectoryPattern {
    pub(super) fn new(path: &Path) -> Self {
        let is_pattern = path.to_string_lossy().contains(['*', '?']);
        DirectoryPattern { text: path.to_owned(), is_pattern }
    }

    /// The directories that are there now, by name.
    ///
    /// # Errors
    /// When there is none, or a directory on the way cannot be read.
    pub(super) fn directories(&self, fs: &dyn Fs) -> io::Result<Vec<PathBuf>> {
        let found = if self.is_pattern { self.expand(fs)? } else { vec![self.text.clone()] };
        match found.is_empty() {
            true => Err(io::Error::new(io::ErrorKind::NotFound, "no directory fits the pattern")),
            false => Ok(found),
        }
    }

    fn expand(&self, fs: &dyn Fs) -> io::Result<Vec<PathBuf>> {
        let mut paths = vec![PathBuf::new()];
        for component in self.text.components() {
            paths = match component {
                Component::Normal(name) if name.to_string_lossy().contains(['*', '?']) => {
                    matching(fs, &paths, &name.to_string_lossy())?
                }
                other => paths.into_iter().map(|path| path.join(other)).collect(),
            };
        }
        let mut found = Vec::new();
        for path in paths {
            if fs.is_dir(&path)? {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }
}

impl std::fmt::Display for DirectoryPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.text.display().fmt(f)
    }
}

/// The directories in `parents` whose name fits `pattern`. A parent that is no directory has none.
fn matching(fs: &dyn Fs, parents: &[PathBuf], pattern: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for parent in parents {
        let folder = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        if !fs.is_dir(folder)? {
            continue;
        }
        let entries = fs.list(folder)?.into_iter();
        let fitting = entries.filter(|entry| entry.is_dir && fits(pattern, &entry.name.to_string_lossy()));
        found.extend(fitting.map(|entry| parent.join(entry.name)));
    }
    Ok(found)
}

fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let is_hidden = name.first() == Some(&'.') && pattern.first() != Some(&'.');
    !is_hidden && fits_chars(&pattern, &name)
}

/// Goes back to the last `*`, and lets it take one character more, whenever what follows it does not fit.
fn fits_chars(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == '?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                p = at + 1;
                n = taken + 1;
            }
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use std::fs;

    use millstream_engine::fs::RealFs;

    use super::*;

    #[test]
    fn names_fit_patterns() {
        for (pattern, name) in [
            ("*", ""),
            ("*", "ab"),
            ("a?c", "abc"),
            ("*b*d", "abcbcd"),
            ("sub*", "subdir"),
            ("é?", "éü"),
            (".*", ".a"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("?", ""), ("a", "ab"), ("*b", "abc"), ("a?c", "ac"), ("*", ".hidden"), ("?a", ".a")]
        {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn patterns_find_directories_only() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["a1/x", "a2/x", "b/x", "a1/y", ".a3/x"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        fs::write(root.path().join("a2/z"), "").unwrap();
        fs::write(root.path().join("a9"), "").unwrap();
        let find = |pattern: &str| {
            let found = DirectoryPattern::new(&root.path().join(pattern)).directories(&RealFs);
            found.map(|found| {
                found.iter().map(|p| p.strip_prefix(root.path()).unwrap().to_owned()).collect::<Vec<_>>()
            })
        };
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(find("a*/x").unwrap(), paths(&["a1/x", "a2/x"]));
        assert_eq!(find("a?/?").unwrap(), paths(&["a1/x", "a1/y", "a2/x"]));
        assert_eq!(find("b/x").unwrap(), paths(&["b/x"]));
        assert_eq!(find("*").unwrap(), paths(&["a1", "a2", "b"]));
        assert!(find("c*/x").is_err());
    }
}
