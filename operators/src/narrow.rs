//! What every narrow operator has from its parent.

/// The methods of [`Rdd`](millstream_engine::rdd::Rdd) that a narrow operator passes on to its field `parent`.
macro_rules! narrow {
    () => {
        narrow!(partitions of parent);

        fn prepare(&self, job: &millstream_engine::job::Job) -> millstream_engine::Result<()> {
            self.parent.prepare(job)
        }
    };
    (partitions of parent) => {
        fn executor(&self) -> &millstream_engine::job::Executor {
            self.parent.executor()
        }

        fn num_partitions(&self) -> usize {
            self.parent.num_partitions()
        }

        fn weight(&self) -> usize {
            self.parent.weight()
        }
    };
}

/// A narrow operator: its struct, `new` and `Clone`; with or without a shared function `f`.
macro_rules! operator {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name<R, F> {
            parent: R,
            f: std::sync::Arc<F>,
        }

        impl<R, F> $name<R, F> {
            pub(crate) fn new(parent: R, f: std::sync::Arc<F>) -> Self {
                $name { parent, f }
            }
        }

        impl<R: Clone, F> Clone for $name<R, F> {
            fn clone(&self) -> Self {
                $name { parent: self.parent.clone(), f: std::sync::Arc::clone(&self.f) }
            }
        }
    };
    ($(#[$doc:meta])* $name:ident without function) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name<R> {
            parent: R,
        }

        impl<R> $name<R> {
            pub(crate) fn new(parent: R) -> Self {
                $name { parent }
            }
        }
    };
}
