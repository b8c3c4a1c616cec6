use std::io::Read;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use millstream_engine::fs::{Fs, RealFs};
use millstream_engine::rdd::{Data, Rdd, UnionAll};
use millstream_engine::receive::{Blocks, Lines, Records};
use millstream_engine::{BoxError, DStream, Error, Result, StreamingContext};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::acknowledged::{AcknowledgedConfig, AcknowledgedHandle, AcknowledgedServer};
use crate::file::{
    BinaryReader, DirectoryInput, FileReader, FixedRecords, ObjectFiles, TextFiles, TextReader, WholeFiles,
    is_visible,
};
use crate::queue::{ConstantInput, QueueInput, RddQueue};
use crate::reader::LineSource;
use crate::socket::{
    Decoded, Frames, LineCounters, RawSocketConfig, ReadSizes, ServerHandle, SocketClient, SocketServer,
    SocketServerConfig, TextLines,
};

/// A stream of received lines.
pub type LineStream = DStream<Blocks<Lines>>;

/// The streams and RDDs that a context can read from the outside world.
///
/// Lines end at `\n`, `\r\n` or `\r`; a last line without an end counts. Invalid UTF-8 becomes U+FFFD, and a line longer than
/// `receiver.max_line_bytes` is cut there; both are counted, as accumulators that are shown with every batch.
pub trait Sources {
    /// Connects to a server and receives lines. When it cannot connect, when the server is done and when the connection breaks,
    /// it connects again after `receiver.restart_delay`, for ever. What is sent in between is lost, as with any plain socket.
    ///
    /// # Errors
    /// After the context has started; so with all streams.
    #[track_caller]
    fn socket_text_stream(&self, host: &str, port: u16) -> Result<LineStream>;

    /// The same with a decoder of your own: it reads from the connection, blocking, on a thread of its own, and gives the records.
    /// After an error, and at the end, it is called with a new connection.
    #[track_caller]
    fn socket_stream<T, I>(
        &self,
        host: &str,
        port: u16,
        decoder: impl Fn(TcpStream) -> I + Send + Sync + 'static,
    ) -> Result<DStream<Blocks<Records<T>>>>
    where
        T: Data + Serialize + DeserializeOwned,
        I: Iterator<Item = Result<T, BoxError>> + 'static;

    /// Connects to a server that sends frames: four bytes of length, the highest first, then that many bytes, the postcard
    /// encoding of a `Vec<T>`. Each frame becomes a block, and so a partition.
    #[track_caller]
    fn raw_socket_stream<T>(&self, host: &str, port: u16) -> Result<DStream<Blocks<Records<T>>>>
    where
        T: Data + Serialize + DeserializeOwned;

    /// The same with other limits.
    #[track_caller]
    fn raw_socket_stream_with<T>(
        &self,
        host: &str,
        port: u16,
        config: RawSocketConfig,
    ) -> Result<DStream<Blocks<Records<T>>>>
    where
        T: Data + Serialize + DeserializeOwned;

    /// Listens for any number of senders of lines, on `127.0.0.1:9999`, `tcp://127.0.0.1:9999` or `unix:/run/lines.sock`. Port 0
    /// takes one that is free; the handle tells which. One thread reads all senders, one read each per turn.
    ///
    /// When a connection breaks in the middle of a line, that half is delivered as if the sender had ended there, and counted.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    #[track_caller]
    fn socket_server_text_stream(&self, bind: &str) -> Result<(LineStream, ServerHandle)>;

    /// The same with other limits.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    #[track_caller]
    fn socket_server_text_stream_with(
        &self,
        bind: &str,
        config: SocketServerConfig,
    ) -> Result<(LineStream, ServerHandle)>;

    /// Listens for senders of lines and tells each how many of its lines are durable: a reliable source, of which nothing is lost and
    /// nothing comes twice, whatever fails. The protocol is that of [`acknowledged`](crate::acknowledged). It needs a checkpoint
    /// directory for its promise.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    #[track_caller]
    fn acknowledged_socket_stream(&self, bind: &str) -> Result<(LineStream, AcknowledgedHandle)>;

    /// The same with other limits.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    #[track_caller]
    fn acknowledged_socket_stream_with(
        &self,
        bind: &str,
        config: AcknowledgedConfig,
    ) -> Result<(LineStream, AcknowledgedHandle)>;

    /// Receives the lines of anything that can be read, such as standard input. The stream ends with it.
    #[track_caller]
    fn reader_text_stream(&self, reader: impl Read + Send + 'static) -> Result<LineStream>;

    /// The lines of a file, as an RDD.
    ///
    /// # Errors
    /// When the file is not there.
    fn text_file(&self, path: impl AsRef<Path>) -> Result<TextFiles>;

    /// The records of a folder that [`save_as_object_files`](crate::Sinks::save_as_object_files) wrote, as an RDD.
    ///
    /// # Errors
    /// When the folder is not there.
    fn object_file<T: Data + DeserializeOwned>(&self, path: impl AsRef<Path>) -> Result<ObjectFiles<T>>;

    /// The lines of new files in a directory: [`file_stream`](Self::file_stream) of the files whose names do not begin with a dot.
    #[track_caller]
    fn text_file_stream(&self, directory: impl AsRef<Path>) -> Result<DStream<TextFiles>>;

    /// New files in a directory, or in all directories that fit a pattern with `*` and `?`, each read once, by its time of change.
    /// The batch at T takes the files that `filter` lets through and that were changed since the stream was made, up to T.
    ///
    /// Files must appear complete: write them elsewhere on the same file system and rename them into the directory. A file that
    /// appears with a time of change further back than `file_stream.min_remember` is never seen. With `new_files_only` false,
    /// files that were there before are taken too, as far back as that. While the directory cannot be listed, batches are empty; the
    /// first that can list it takes what has appeared meanwhile, however long that was.
    ///
    /// A file that is gone, became shorter or may not be read is left out and counted. Any other error of reading fails the task, so
    /// that nothing is lost by a disk or a network that fails for a while; see [`SkippedFiles`](crate::file::SkippedFiles).
    #[track_caller]
    fn file_stream<R: FileReader>(
        &self,
        directory: impl AsRef<Path>,
        filter: impl Fn(&Path) -> bool + Send + Sync + 'static,
        new_files_only: bool,
        reader: R,
    ) -> Result<DStream<R::Rdd>>;

    /// The same on another file system than the machine's, such as one that fails in a test.
    #[track_caller]
    fn file_stream_on<R: FileReader>(
        &self,
        fs: Arc<dyn Fs>,
        directory: impl AsRef<Path>,
        filter: impl Fn(&Path) -> bool + Send + Sync + 'static,
        new_files_only: bool,
        reader: R,
    ) -> Result<DStream<R::Rdd>>;

    /// The records of new files in a directory, each of `record_length` bytes. A file that does not consist of whole records fails
    /// its batch.
    ///
    /// # Errors
    /// When the length is 0.
    #[track_caller]
    fn binary_records_stream(
        &self,
        directory: impl AsRef<Path>,
        record_length: usize,
    ) -> Result<DStream<WholeFiles<FixedRecords>>>;

    /// The RDDs of a queue: one per batch, or all that wait. While it is empty, batches are empty.
    ///
    /// A program that goes on from a checkpoint pushes all RDDs again, in the same order, before the start: those that it has had are
    /// passed over, and each of the others is in one batch. Batches that lack theirs fail and say so.
    #[track_caller]
    fn queue_stream<R: Rdd>(&self, queue: &RddQueue<R>, one_at_a_time: bool) -> Result<DStream<UnionAll<R>>>;

    /// The same; while the queue is empty, batches are `default`.
    #[track_caller]
    fn queue_stream_or<R: Rdd>(
        &self,
        queue: &RddQueue<R>,
        one_at_a_time: bool,
        default: R,
    ) -> Result<DStream<UnionAll<R>>>;

    /// The same RDD in every batch.
    #[track_caller]
    fn constant_stream<R: Rdd>(&self, rdd: R) -> Result<DStream<R>>;
}

impl Sources for StreamingContext {
    fn socket_text_stream(&self, host: &str, port: u16) -> Result<LineStream> {
        let counters = LineCounters::new(self, &format!("tcp://{host}:{port}"));
        let lines = TextLines::new(ReadSizes::of(self), counters);
        self.receiver_stream(SocketClient::new(host, port, lines))
    }

    fn socket_stream<T, I>(
        &self,
        host: &str,
        port: u16,
        decoder: impl Fn(TcpStream) -> I + Send + Sync + 'static,
    ) -> Result<DStream<Blocks<Records<T>>>>
    where
        T: Data + Serialize + DeserializeOwned,
        I: Iterator<Item = Result<T, BoxError>> + 'static,
    {
        self.receiver_stream(SocketClient::new(host, port, Decoded::new(decoder)))
    }

    fn raw_socket_stream<T>(&self, host: &str, port: u16) -> Result<DStream<Blocks<Records<T>>>>
    where
        T: Data + Serialize + DeserializeOwned,
    {
        self.raw_socket_stream_with(host, port, RawSocketConfig::default())
    }

    fn raw_socket_stream_with<T>(
        &self,
        host: &str,
        port: u16,
        config: RawSocketConfig,
    ) -> Result<DStream<Blocks<Records<T>>>>
    where
        T: Data + Serialize + DeserializeOwned,
    {
        self.receiver_stream(SocketClient::new(host, port, Frames::<T>::new(config)))
    }

    fn socket_server_text_stream(&self, bind: &str) -> Result<(LineStream, ServerHandle)> {
        self.socket_server_text_stream_with(bind, SocketServerConfig::default())
    }

    fn socket_server_text_stream_with(
        &self,
        bind: &str,
        config: SocketServerConfig,
    ) -> Result<(LineStream, ServerHandle)> {
        let (server, handle) = SocketServer::bind(self, bind, config)?;
        Ok((self.receiver_stream(server)?, handle))
    }

    fn acknowledged_socket_stream(&self, bind: &str) -> Result<(LineStream, AcknowledgedHandle)> {
        self.acknowledged_socket_stream_with(bind, AcknowledgedConfig::default())
    }

    fn acknowledged_socket_stream_with(
        &self,
        bind: &str,
        config: AcknowledgedConfig,
    ) -> Result<(LineStream, AcknowledgedHandle)> {
        let (server, handle) = AcknowledgedServer::bind(self, bind, config)?;
        Ok((self.receiver_stream(server)?, handle))
    }

    fn reader_text_stream(&self, reader: impl Read + Send + 'static) -> Result<LineStream> {
        let counters = LineCounters::new(self, "reader");
        self.receiver_stream(LineSource::new(reader, ReadSizes::of(self), counters))
    }

    fn text_file(&self, path: impl AsRef<Path>) -> Result<TextFiles> {
        TextFiles::open(self.executor(), [path.as_ref()])
    }

    fn object_file<T: Data + DeserializeOwned>(&self, path: impl AsRef<Path>) -> Result<ObjectFiles<T>> {
        ObjectFiles::open(self.executor(), path.as_ref())
    }

    fn text_file_stream(&self, directory: impl AsRef<Path>) -> Result<DStream<TextFiles>> {
        self.file_stream(directory, is_visible, true, TextReader)
    }

    fn file_stream<R: FileReader>(
        &self,
        directory: impl AsRef<Path>,
        filter: impl Fn(&Path) -> bool + Send + Sync + 'static,
        new_files_only: bool,
        reader: R,
    ) -> Result<DStream<R::Rdd>> {
        self.file_stream_on(Arc::new(RealFs), directory, filter, new_files_only, reader)
    }

    fn file_stream_on<R: FileReader>(
        &self,
        fs: Arc<dyn Fs>,
        directory: impl AsRef<Path>,
        filter: impl Fn(&Path) -> bool + Send + Sync + 'static,
        new_files_only: bool,
        reader: R,
    ) -> Result<DStream<R::Rdd>> {
        let input = DirectoryInput::new(fs, self, directory.as_ref(), filter, new_files_only, reader);
        self.input_stream("File stream", input)
    }

    fn binary_records_stream(
        &self,
        directory: impl AsRef<Path>,
        record_length: usize,
    ) -> Result<DStream<WholeFiles<FixedRecords>>> {
        if record_length == 0 {
            return Err(Error::Definition(
                "binary_records_stream: a record has at least one byte".to_owned(),
            ));
        }
        self.file_stream(directory, is_visible, true, BinaryReader { record_length })
    }

    fn queue_stream<R: Rdd>(&self, queue: &RddQueue<R>, one_at_a_time: bool) -> Result<DStream<UnionAll<R>>> {
        let input = QueueInput::new(queue.clone(), one_at_a_time, None);
        self.input_stream("Queue stream", input)
    }

    fn queue_stream_or<R: Rdd>(
        &self,
        queue: &RddQueue<R>,
        one_at_a_time: bool,
        default: R,
    ) -> Result<DStream<UnionAll<R>>> {
        let input = QueueInput::new(queue.clone(), one_at_a_time, Some(default));
        self.input_stream("Queue stream", input)
    }

    fn constant_stream<R: Rdd>(&self, rdd: R) -> Result<DStream<R>> {
        self.input_stream("Constant stream", ConstantInput(rdd))
    }
}
