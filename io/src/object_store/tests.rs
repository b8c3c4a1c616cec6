use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ::object_store::ObjectStore;
use ::object_store::local::LocalFileSystem;
use ::object_store::memory::InMemory;
use millstream_engine::fs::{Fs, SimFs};
use millstream_engine::recovery::{CheckpointStore, inspect};
use millstream_engine::state::UpdateSpec;
use millstream_engine::testkit::{PowerCut, TestContext};
use millstream_engine::{Config, Time};

use super::ObjectStoreCheckpoints;
use super::upload::PART_BYTES;

const SECOND: Duration = Duration::from_secs(1);

/// What any store must do; `store` is empty.
fn assert_keeps_what_is_put(store: &dyn CheckpointStore) {
    assert_eq!(store.list().unwrap(), Vec::<String>::new());
    store.put_new("1.manifest", b"first").unwrap();
    let refused = store.put_new("1.manifest", b"second").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists, "{refused}");
    assert_eq!(store.read("1.manifest").unwrap(), b"first");
    store.put("1.manifest", b"in its place").unwrap();
    assert_eq!(store.read("1.manifest").unwrap(), b"in its place");
    assert_eq!(store.read_at("1.manifest", 3, 3).unwrap(), b"its");
    assert_eq!(store.read_at("1.manifest", 7, 99).unwrap(), b"place");
    assert_eq!(store.read_at("1.manifest", 7, 0).unwrap(), b"");
    let missing = store.read("2.manifest").unwrap_err();
    assert!(missing.kind() == ErrorKind::NotFound && missing.to_string().contains("2.manifest"), "{missing}");

    let mut small = store.create("1.data").unwrap();
    [b"a".as_slice(), b"b"].iter().for_each(|piece| small.append(piece).unwrap());
    small.finish().unwrap();
    assert_eq!(store.read("1.data").unwrap(), b"ab");
    let piece: Vec<u8> = (0..3 << 20).map(|i| (i % 251) as u8).collect();
    let mut large = store.create("2.data").unwrap();
    (0..6).for_each(|_| large.append(&piece).unwrap());
    large.finish().unwrap();
    let read = store.read("2.data").unwrap();
    assert!(read.len() == 18 << 20 && read.chunks(piece.len()).all(|chunk| chunk == piece));
    let across = PART_BYTES as u64 - 2;
    assert_eq!(store.read_at("2.data", across, 4).unwrap(), read[PART_BYTES - 2..PART_BYTES + 2]);

    let mut given_up = store.create("3.data").unwrap();
    given_up.append(&vec![0; PART_BYTES + 1]).unwrap();
    drop(given_up);
    let mut names = store.list().unwrap();
    names.sort();
    assert_eq!(names, ["1.data", "1.manifest", "2.data"]);
    ["1.data", "1.manifest", "2.data", "2.data"].iter().for_each(|name| store.delete(name).unwrap());
    assert_eq!(store.list().unwrap(), Vec::<String>::new());
}

/// A program that counts what its batches have, gone on with on what a power cut leaves of its disk, and then on a new machine.
fn assert_goes_on(open: impl Fn() -> Arc<dyn CheckpointStore>) {
    let (disk, batches) = (SimFs::new(), || (1..=8).map(|batch| vec![(7u32, batch)]));
    let start = |after: i64, disk: &SimFs| {
        let config = Config::new().batch_interval(SECOND).checkpoint_interval(SECOND * 2);
        let test = TestContext::with_config(config, Time::from_millis(after * 1_000)).unwrap();
        let pairs = test.input(batches(), 2).unwrap();
        let sum = |new: &[i64], sum: Option<i64>| Some(sum.unwrap_or(0) + new.iter().sum::<i64>());
        let sums = test.collect(&pairs.update_state(UpdateSpec::values(sum)));
        test.go_on_from(Arc::new(disk.clone()) as Arc<dyn Fs>, "/machine", open()).unwrap();
        (test, sums)
    };
    let (test, _) = start(0, &disk);
    test.run(5).unwrap();
    test.stop(true).unwrap();
    let disk = disk.crash(PowerCut::Lost);
    for (after, disk, sum) in [(5, disk, 21), (6, SimFs::new(), 28)] {
        let (test, sums) = start(after, &disk);
        test.run(1).unwrap();
        assert_eq!(sums.batches(), [[(7, sum)]]);
        test.stop(true).unwrap();
    }
    let found = inspect::checkpoints_of(open()).unwrap();
    assert!(found.len() >= 2 && found.iter().all(|(_, info)| info.is_ok()), "{found:?}");
}

#[test]
fn memory_keeps_checkpoints() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let open = |prefix| ObjectStoreCheckpoints::new(Arc::clone(&store), prefix).unwrap();
    assert_keeps_what_is_put(&open("a"));
    assert_goes_on(|| Arc::new(open("b/c")));
    // What stands below or beside the prefix is somebody else's.
    assert_eq!(open("b").list().unwrap(), Vec::<String>::new());
    assert_eq!(open("b/c").location(), "InMemory/b/c");
}

#[test]
fn a_directory_keeps_checkpoints() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("file://{}/checkpoints", dir.path().display());
    let open = || ObjectStoreCheckpoints::from_url(&url).unwrap();
    assert_keeps_what_is_put(&open());
    assert_goes_on(|| Arc::new(open()));
    assert_eq!(open().location(), url);
    let store = Arc::new(LocalFileSystem::new_with_prefix(dir.path()).unwrap());
    assert!(ObjectStoreCheckpoints::new(store, "checkpoints").unwrap().list().unwrap().len() >= 2);
}

/// A program may start its context from an async function.
#[test]
fn it_may_be_used_and_dropped_within_another_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = ObjectStoreCheckpoints::from_url("memory:///a").unwrap();
        store.put("name", b"bytes").unwrap();
        assert_eq!(store.list().unwrap(), ["name"]);
    });
}

#[test]
fn what_cannot_be_is_said() {
    let error = |url: &str, options: &[(&str, &str)]| {
        ObjectStoreCheckpoints::from_url_with(url, options).unwrap_err().to_string()
    };
    let said = error("ftp://host/path", &[]);
    assert!(said.contains("kept in ftp://host/path") && said.contains("s3://bucket"), "{said}");
    assert!(error("https://host/path", &[]).contains("s3://bucket"));
    assert!(error("no url", &[]).contains("kept in no url"));
    assert!(error("s3://bucket/a", &[("aws_regoin", "here")]).contains("aws_regoin"));
    #[cfg(not(feature = "hdfs"))]
    assert!(error("hdfs://host/path", &[]).contains("--features hdfs"));
}

/// A service that refuses: the error names the object and the remedy, and nothing is tried again.
#[test]
fn credentials_that_are_refused_are_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let mut connection = listener.accept().unwrap().0;
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            connection.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        connection.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").unwrap();
        String::from_utf8(request).unwrap()
    });
    let store = ObjectStoreCheckpoints::from_url_with("s3://bucket/a/b", &s3_options(&endpoint)).unwrap();
    assert_eq!(store.location(), "s3://bucket/a/b");
    let error = store.read("c").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    let error = error.to_string();
    assert!(
        error.starts_with("s3://bucket/a/b/c: ") && error.contains("credentials that may list"),
        "{error}"
    );
    let request = server.join().unwrap();
    assert!(request.starts_with("GET /bucket/a/b/c HTTP/1.1"), "{request}");
}

fn s3_options(endpoint: &str) -> Vec<(&str, &str)> {
    vec![
        ("aws_access_key_id", "test"),
        ("aws_secret_access_key", "test"),
        ("aws_region", "us-east-1"),
        ("aws_endpoint", endpoint),
        ("aws_allow_http", "true"),
    ]
}

/// Against a server that speaks S3's protocol, its address, `127.0.0.1:5000`, in `S3_SERVER`: `tests/stores/run` starts one.
#[test]
fn a_server_keeps_checkpoints() {
    let Ok(address) = std::env::var("S3_SERVER") else {
        writeln!(std::io::stderr(), "left out: S3_SERVER names no server").unwrap();
        return;
    };
    let mut server = TcpStream::connect(&address).unwrap();
    let request =
        "PUT /millstream HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    server.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    server.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let endpoint = format!("http://{address}");
    let run = std::process::id();
    let open = |prefix: &str| {
        let url = format!("s3://millstream/{run}/{prefix}");
        ObjectStoreCheckpoints::from_url_with(&url, &s3_options(&endpoint)).unwrap()
    };
    assert_keeps_what_is_put(&open("a"));
    assert_goes_on(|| Arc::new(open("b")));
    let missing =
        ObjectStoreCheckpoints::from_url_with("s3://no-such-bucket/a", &s3_options(&endpoint)).unwrap();
    let error = missing.put("name", b"bytes").unwrap_err().to_string();
    assert!(error.contains("s3://no-such-bucket/a/name") && error.contains("bucket"), "{error}");
}

/// Against an HDFS, its address, `hdfs://127.0.0.1:8020`, in `HDFS_SERVER`: `tests/hdfs/run` starts one.
#[cfg(feature = "hdfs")]
#[test]
fn hdfs_keeps_checkpoints() {
    let Ok(server) = std::env::var("HDFS_SERVER") else {
        writeln!(std::io::stderr(), "left out: HDFS_SERVER names no server").unwrap();
        return;
    };
    let run = std::process::id();
    let open = |prefix: &str| ObjectStoreCheckpoints::from_url(&format!("{server}/{run}/{prefix}")).unwrap();
    assert_keeps_what_is_put(&open("a"));
    assert_goes_on(|| Arc::new(open("b")));
}
