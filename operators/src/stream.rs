use millstream_engine::DStream;
use millstream_engine::rdd::Rdd;

/// What [`StreamOps`](crate::StreamOps) and its like need to know of a stream: that it is a [`DStream`].
pub trait Stream {
    /// What a batch of the stream is.
    type Rdd: Rdd;

    /// The stream.
    fn stream(&self) -> &DStream<Self::Rdd>;
}

impl<R: Rdd> Stream for DStream<R> {
    type Rdd = R;

    fn stream(&self) -> &DStream<R> {
        self
    }
}

/// The records of a stream.
pub type ItemOf<S> = <<S as Stream>::Rdd as Rdd>::Item;

/// The RDD that a stream hands to its consumers.
pub type SharedOf<S> = millstream_engine::rdd::Shared<<S as Stream>::Rdd>;
