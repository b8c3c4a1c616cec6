//! The `millstream` program, as those use it who run programs: what it prints, its exit codes, and that it changes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A copy of the checkpoint directory that the first version has written, to be damaged.
struct Dir(tempfile::TempDir);

/// The four commands that look into a directory.
const COMMANDS: [[&str; 2]; 4] =
    [["checkpoint", "show"], ["checkpoint", "verify"], ["wal", "dump"], ["wal", "verify"]];

const NEWEST: &str = "checkpoints/0000000000000003";
const BEFORE: &str = "checkpoints/0000000000000002";
const SEGMENT: &str = "log/wal-0000000000000001.log";

/// Files by their paths in a directory.
type Files = BTreeMap<PathBuf, Vec<u8>>;

fn files(dir: &Path) -> Files {
    let folders =
        ["checkpoints", "log"].into_iter().flat_map(|folder| fs::read_dir(dir.join(folder)).unwrap());
    let paths = folders.map(|entry| entry.unwrap().path());
    paths.map(|path| (path.strip_prefix(dir).unwrap().to_owned(), fs::read(&path).unwrap())).collect()
}

impl Dir {
    fn new() -> Dir {
        let dir = Dir(tempfile::tempdir().unwrap());
        for (path, bytes) in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/checkpoint-1")) {
            fs::create_dir_all(dir.path(&path).parent().unwrap()).unwrap();
            fs::write(dir.path(path), bytes).unwrap();
        }
        dir
    }

    fn path(&self, inside: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(inside)
    }

    fn change(&self, inside: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.path(inside)).unwrap();
        change(&mut bytes);
        fs::write(self.path(inside), bytes).unwrap();
    }

    /// Runs the program on it: the exit code, and what is printed. No file is changed by that, and none comes or goes.
    fn look(&self, command: [&str; 2]) -> (i32, String) {
        let before = files(self.0.path());
        let output = millstream(command, self.0.path());
        assert!(files(self.0.path()) == before, "{command:?} has changed something");
        assert_eq!(fs::read_dir(self.0.path()).unwrap().count(), 2, "{command:?} has left something");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }

    /// Fails unless the program prints `words`, and exits with `code`.
    fn assert_says(&self, command: [&str; 2], code: i32, words: &[&str]) {
        let (exited, said) = self.look(command);
        let missing: Vec<_> = words.iter().filter(|words| !said.contains(**words)).collect();
        assert!(exited == code && missing.is_empty(), "{command:?}: {exited}, without {missing:?}:\n{said}");
    }
}

fn millstream(command: [&str; 2], dir: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_millstream")).args(command).arg(dir).output().unwrap()
}

/// Checkpoints at a URL; the log of the directory is no part of them.
#[test]
fn a_url_is_looked_into_or_what_that_needs_is_said() {
    let dir = Dir::new();
    let url = format!("file://{}", dir.path("checkpoints").display());
    for command in [COMMANDS[0], COMMANDS[1]] {
        let output = millstream(command, Path::new(&url));
        let (said, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if cfg!(feature = "object-store") {
            assert!(output.status.success() && said.contains("up to batch 6000 ms"), "{said}{told}");
            assert!(!said.contains("log of"), "{said}");
        } else {
            assert_eq!(output.status.code(), Some(1));
            assert!(told.contains("build it with --features object-store"), "{told}");
        }
    }
}

#[test]
fn a_sound_directory_is_shown_and_found_sound() {
    let dir = Dir::new();
    let (code, shown) = dir.look(COMMANDS[0]);
    let newest =
        shown.find("checkpoint 3 of \"millstream\": up to batch 6000 ms (number 6, one every 1000 ms)");
    let before =
        shown.find("checkpoint 2 of \"millstream\": up to batch 3000 ms (number 3, one every 1000 ms)");
    assert!(code == 0 && newest == Some(0) && before > newest, "{code}: {shown}");
    let counted = |line: &&str| {
        line.contains("map_with_state-1") && line.contains(" 9 keys") && line.contains(" 36 bytes")
    };
    assert_eq!(shown.lines().filter(counted).count(), 1, "{shown}");
    dir.assert_says(
        COMMANDS[1],
        0,
        &["3.manifest: sound, up to batch 6000 ms", "2.manifest: sound", "52 record(s) in 1 file(s)"],
    );
    let (code, dumped) = dir.look(COMMANDS[2]);
    assert_eq!((code, dumped.lines().count()), (0, 52), "{dumped}");
    let last = dumped.lines().last().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(last, "51 3 bytes output 6 of batch 7000 ms is done");
    dir.assert_says(COMMANDS[3], 0, &["52 record(s) in 1 file(s), 2507 bytes, opened 1 time(s)"]);
}

#[test]
fn damaged_checkpoints_are_named_with_what_the_program_will_do() {
    let dir = Dir::new();
    dir.change(&format!("{NEWEST}.manifest"), |bytes| bytes[60] ^= 1);
    dir.assert_says(COMMANDS[0], 1, &["3.manifest cannot be used: ", "checkpoint 2 of"]);
    let goes_on = "goes on from the newest sound one";
    dir.assert_says(COMMANDS[1], 1, &["3.manifest: ", "checksum does not fit", "2.manifest: sound", goes_on]);
    dir.change(&format!("{BEFORE}.data"), |bytes| bytes.truncate(10));
    dir.assert_says(COMMANDS[0], 1, &["3.manifest cannot be used: ", "2.manifest cannot be used: "]);
    dir.assert_says(COMMANDS[1], 1, &["there is no checkpoint to go on from"]);
    // The log is as it was.
    dir.assert_says(COMMANDS[2], 0, &[]);
    dir.assert_says(COMMANDS[3], 0, &[]);
}

#[test]
fn a_damaged_log_is_named_and_a_torn_tail_is_no_damage() {
    let dir = Dir::new();
    dir.change(SEGMENT, |bytes| bytes.truncate(bytes.len() - 7));
    let torn = "a tail that was never durable";
    COMMANDS[1..].iter().for_each(|command| dir.assert_says(*command, 0, &[torn]));
    dir.change(SEGMENT, |bytes| bytes[500] ^= 1);
    let lost = "wal-0000000000000001.log: damaged bytes";
    COMMANDS[1..]
        .iter()
        .for_each(|command| dir.assert_says(*command, 1, &[lost, "records 9 to 9 lost", torn]));
    dir.assert_says(COMMANDS[0], 0, &["checkpoint 3 of"]);
    fs::remove_file(dir.path(SEGMENT)).unwrap();
    COMMANDS[1..].iter().for_each(|command| dir.assert_says(*command, 1, &["the last segment is missing"]));
}

#[test]
fn a_directory_that_is_not_there_is_an_error_and_a_wrong_command_another() {
    let nowhere = Path::new("/nonexistent/counts");
    for command in COMMANDS {
        let output = millstream(command, nowhere);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{told}");
        assert!(told.starts_with("error: ") && told.contains("/nonexistent/counts"), "{told}");
        assert!(told.contains("No such file"), "{told}");
    }
    let output = millstream(["wal", "mend"], nowhere);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && told.contains("unrecognized subcommand 'mend'"), "{told}");
}

/// `millstream wal dump DIR | head` ends without a word when head does.
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let (dir, (reader, writer)) = (Dir::new(), std::io::pipe().unwrap());
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
    let output = command.args(COMMANDS[2]).arg(dir.0.path()).stdout(writer).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}
