//! Checkpoints in an object store or in HDFS, so that a program can go on when the disk of its machine is gone.
//!
//! [`ObjectStoreCheckpoints`] is the store; [`checkpoint_to`] and [`get_or_create_from`] take it. The log stays on a local disk.
//!
//! | URL | what it is | where the settings come from |
//! |-----|------------|------------------------------|
//! | `s3://bucket/prefix` | S3 and what speaks its protocol | `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL`, `AWS_ALLOW_HTTP`; otherwise the machine's role |
//! | `gs://bucket/prefix` | Google Cloud Storage | `GOOGLE_APPLICATION_CREDENTIALS`, `GOOGLE_SERVICE_ACCOUNT`; otherwise the machine's account |
//! | `az://container/prefix` | Azure Blob Storage | `AZURE_STORAGE_ACCOUNT_NAME`, `AZURE_STORAGE_ACCOUNT_KEY`, `AZURE_STORAGE_SAS_KEY` |
//! | `hdfs://namenode:8020/path` | HDFS (feature `hdfs`) | `HADOOP_CONF_DIR`, `HADOOP_USER_NAME`; options are Hadoop's (`dfs.client.socket-timeout`) |
//! | `file:///path` | a directory, one on a network for example; for a local disk take [`get_or_create`] | |
//! | `memory:///` | this process's memory, for tests | |
//!
//! HDFS has what is put in the memory of its data nodes first; set `dfs.datanode.synconclose` there if all of them may lose their power
//! at once. What a killed program was writing stays there as `.NAME.tmp.1`, and may be removed while no program runs.
//!
//! Other stores of the crate `object_store` are taken by [`ObjectStoreCheckpoints::new`]. The store must list what was put, and
//! put an object only if there is none (S3: `If-None-Match`), which is asked of it once, at the start.
//!
//! ```
//! use millstream_engine::testkit::TestContext;
//! use millstream_io::object_store::ObjectStoreCheckpoints;
//! use std::{sync::Arc, time::Duration};
//!
//! let disk = tempfile::tempdir()?;
//! // With a bucket: "s3://logs/checkpoints/word-count".
//! let checkpoints = ObjectStoreCheckpoints::from_url("memory:///word-count")?;
//! let test = TestContext::new(Duration::from_secs(1))?;
//! test.collect(&test.input([vec![1, 2, 3]], 1)?);
//! test.checkpoint_to(disk.path(), Arc::new(checkpoints))?;
//! test.run(1)?;
//! test.stop(true)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`checkpoint_to`]: millstream_engine::StreamingContext::checkpoint_to
//! [`get_or_create`]: millstream_engine::StreamingContext::get_or_create
//! [`get_or_create_from`]: millstream_engine::StreamingContext::get_or_create_from

mod blocking;
mod checkpoints;
mod trouble;
mod upload;
mod url;

pub use checkpoints::ObjectStoreCheckpoints;

#[cfg(test)]
mod tests;
