use std::sync::Arc;
use std::time::Duration;

use ::object_store::aws::AmazonS3Builder;
use ::object_store::azure::MicrosoftAzureBuilder;
use ::object_store::gcp::GoogleCloudStorageBuilder;
use ::object_store::local::LocalFileSystem;
use ::object_store::memory::InMemory;
use ::object_store::path::Path;
use ::object_store::{ObjectStore, ObjectStoreScheme, RetryConfig};
use ::url::Url;
use millstream_engine::BoxError;

/// How long a request is tried again.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// A service's client with the settings of the environment, and `options` before them.
macro_rules! service {
    ($builder:ty, $url:expr, $options:expr) => {{
        let retry = RetryConfig { retry_timeout: RETRY_MAX, ..RetryConfig::default() };
        let mut builder = <$builder>::from_env().with_url($url.to_string()).with_retry(retry);
        for (key, value) in $options {
            builder = builder.with_config(key.to_ascii_lowercase().parse()?, *value);
        }
        Arc::new(builder.build()?)
    }};
}

/// The store that `url` names, and the path in it.
pub(super) fn open(url: &str, options: &[(&str, &str)]) -> Result<(Arc<dyn ObjectStore>, Path), BoxError> {
    let url = Url::parse(url)?;
    if url.scheme() == "hdfs" {
        return hdfs(&url, options);
    }
    let unknown = "it has to begin with s3://bucket, gs://bucket, az://container, hdfs://namenode, file:/// or memory:///";
    let (scheme, path) = ObjectStoreScheme::parse(&url).map_err(|error| format!("{error}; {unknown}"))?;
    let store: Arc<dyn ObjectStore> = match scheme {
        ObjectStoreScheme::Local => Arc::new(LocalFileSystem::new().with_fsync(true)),
        ObjectStoreScheme::Memory => Arc::new(InMemory::new()),
        ObjectStoreScheme::AmazonS3 => service!(AmazonS3Builder, url, options),
        ObjectStoreScheme::GoogleCloudStorage => service!(GoogleCloudStorageBuilder, url, options),
        ObjectStoreScheme::MicrosoftAzure => service!(MicrosoftAzureBuilder, url, options),
        _ => return Err(unknown.into()),
    };
    Ok((store, path))
}

/// Between two of 15 attempts to reach a name node: half a minute in all, as with other stores. Hadoop's own 15 s make three.
#[cfg(feature = "hdfs")]
const HDFS_WAIT: (&str, &str) = ("dfs.client.failover.sleep.max.millis", "2000");

#[cfg(feature = "hdfs")]
fn hdfs(url: &Url, options: &[(&str, &str)]) -> Result<(Arc<dyn ObjectStore>, Path), BoxError> {
    let name_node = &url[..::url::Position::BeforePath];
    let options = [&[HDFS_WAIT], options].concat();
    let builder =
        hdfs_native_object_store::HdfsObjectStoreBuilder::new().with_url(name_node).with_config(options);
    let store = builder.build()?;
    Ok((Arc::new(store), Path::from_url_path(url.path())?))
}

#[cfg(not(feature = "hdfs"))]
fn hdfs(_: &Url, _: &[(&str, &str)]) -> Result<(Arc<dyn ObjectStore>, Path), BoxError> {
    Err("this program is built without HDFS; build it with --features hdfs".into())
}
