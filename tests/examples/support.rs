//! How the tests run programs and servers.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Once;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn data(name: &str) -> String {
    root().join("data").join(name).display().to_string()
}

/// The logs of a Kafka server, sorted by name, from the folder that `TEST_DATA` names. They are no part of the
/// repository: without the variable the part of a test that needs them is left out, which is said even where the output
/// of tests is not shown.
pub(crate) fn kafka_logs() -> Option<Vec<PathBuf>> {
    let Some(folder) = std::env::var_os("TEST_DATA") else {
        let _ =
            writeln!(io::stderr(), "LEFT OUT: the logs of kafka0: TEST_DATA names no folder that has them");
        return None;
    };
    let folder = Path::new(&folder).join("kafka0");
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty(), "{}: there are no files", folder.display());
    files.sort();
    Some(files)
}

/// The example's program. `cargo test` builds it beside this test; `cargo test --test examples` does not, and then
/// takes the program that was built last.
pub(crate) fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let built = test.ancestors().nth(2).unwrap();
    let program = built.join("examples").join(name);
    if !program.exists() {
        build_examples(built);
    }
    let mut command = Command::new(program);
    command.current_dir(root()).env_remove("RUST_LOG");
    command
}

fn build_examples(built: &Path) {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let profile = built.file_name().unwrap().to_str().unwrap().replace("debug", "dev");
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["build", "--examples", "--profile", &profile, "--target-dir"])
            .arg(built.parent().unwrap());
        assert!(cargo.current_dir(root()).status().unwrap().success(), "the examples cannot be built");
    });
}

pub(crate) fn run(name: &str, args: &[&str]) -> Output {
    example(name).args(args).stdin(Stdio::null()).output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What a program printed that did all it was asked to.
pub(crate) fn printed(name: &str, args: &[&str]) -> String {
    let output = run(name, args);
    assert!(output.status.success(), "{name} {args:?}: {}", stderr(&output));
    stdout(&output)
}

/// The lines with one space where there are several.
pub(crate) fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// What is printed of one batch.
#[derive(Debug)]
pub(crate) struct Page {
    /// In milliseconds.
    pub(crate) time: i64,
    pub(crate) lines: Vec<String>,
}

/// The pages that `print` wrote.
pub(crate) fn pages(text: &str) -> Vec<Page> {
    let rule = "-------------------------------------------\n";
    let parts: Vec<_> = text.split(rule).collect();
    assert_eq!((parts[0], parts.len() % 2), ("", 1), "{text}");
    let time = |head: &str| {
        let millis = head.strip_prefix("Time: ").and_then(|head| head.strip_suffix(" ms\n"));
        millis.unwrap().parse().unwrap()
    };
    let records = |body: &str| body.strip_suffix('\n').unwrap().lines().map(str::to_owned).collect();
    parts[1..].chunks(2).map(|page| Page { time: time(page[0]), lines: records(page[1]) }).collect()
}

pub(crate) fn sha256(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    stdout(&output).split(' ').next().unwrap().to_owned()
}

/// All lines in the folders `PREFIX-TIME`, sorted.
pub(crate) fn saved(prefix: &Path) -> Vec<String> {
    let name = format!("{}-", prefix.file_name().unwrap().to_str().unwrap());
    let mut all = Vec::new();
    for folder in fs::read_dir(prefix.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()) {
        if folder.file_name().unwrap().to_str().unwrap().starts_with(&name) {
            assert!(folder.join("_SUCCESS").exists(), "{} is not complete", folder.display());
            for part in fs::read_dir(&folder).unwrap() {
                all.extend(fs::read_to_string(part.unwrap().path()).unwrap().lines().map(str::to_owned));
            }
        }
    }
    all.sort();
    all
}

/// A program that runs until it is told to stop.
pub(crate) struct Program {
    child: Child,
    pub(crate) out: Receiver<String>,
    pub(crate) err: Receiver<String>,
}

impl Program {
    pub(crate) fn start(name: &str, args: &[&str]) -> Program {
        Program::start_with(name, args, "100ms", &[])
    }

    /// The same with batches of another length, and with settings in the environment.
    pub(crate) fn start_with(
        name: &str,
        args: &[&str],
        interval: &str,
        settings: &[(&str, String)],
    ) -> Program {
        Program::start_stalled(name, args, interval, settings).0
    }

    /// The same, but nobody reads what it prints before the sender is dropped: when a pipe is full, it waits in the midst of a batch.
    pub(crate) fn start_stalled(
        name: &str,
        args: &[&str],
        interval: &str,
        settings: &[(&str, String)],
    ) -> (Program, mpsc::Sender<()>) {
        let mut command = example(name);
        command.args(args).args(["--interval", interval, "--master", "local[2]"]);
        command.envs(settings.iter().map(|(key, value)| (key, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdout, err) = (child.stdout.take().unwrap(), lines_of(child.stderr.take().unwrap()));
        let (gate, opened) = mpsc::channel();
        (Program { child, out: lines_behind(opened, stdout), err }, gate)
    }

    /// Waits until all of `wanted` have been printed, in any order.
    pub(crate) fn wait_for(&self, wanted: &[&str]) {
        let mut missing: Vec<_> = wanted.to_vec();
        while !missing.is_empty() {
            let line = self.out.recv_timeout(PATIENCE);
            let line = line
                .unwrap_or_else(|_| panic!("no {missing:?}: {:?}", self.err.try_iter().collect::<Vec<_>>()));
            if let Some(found) = missing.iter().position(|wanted| *wanted == line) {
                missing.remove(found);
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Ctrl-C.
    pub(crate) fn ask_to_stop(&self) {
        self.signal("INT");
    }

    /// Ctrl-C, and the end of the program.
    pub(crate) fn interrupt(&mut self) -> ExitStatus {
        self.ask_to_stop();
        self.child.wait().unwrap()
    }

    /// What a service manager sends, and the end of the program.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.child.wait().unwrap()
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn lines_of(source: impl Read + Send + 'static) -> Receiver<String> {
    lines_behind(mpsc::channel().1, source)
}

/// The same, of which nothing is read before the gate's sender is dropped.
fn lines_behind(gate: Receiver<()>, source: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let _ = gate.recv();
        BufReader::new(source).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    lines
}

/// A server that sends `text` to the first who connects, and then keeps the connection.
pub(crate) fn serve(text: &'static str) -> (u16, thread::JoinHandle<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        connection.write_all(text.as_bytes()).unwrap();
        connection
    });
    (port, server)
}
