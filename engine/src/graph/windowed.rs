//! Streams of windows.

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::DStream;
use super::node::{AnyNode, Node};
use super::output::OutputBody;
use super::sequenced::Feed;
use super::stateful::Stateful;
use crate::job::Job;
use crate::rdd::{BoxRdd, Keep, Key, Rdd, Stored, UnionAll};
use crate::sequence::{Sequence, StepRdd};
use crate::shuffle::Wide;
use crate::window::{Arriving, KeyedWindow, RawPane, Sliding, Span, Whole};
use crate::{BoxError, Result, Time};

/// Work for a batch in which no output asks for it: to take in what a later batch will need, while it is fresh.
pub(crate) struct Upkeep {
    /// Only if an output is reached from this node.
    pub(crate) node: usize,
    pub(crate) generate: Arc<Generate>,
}

type Generate = dyn Fn(Time) -> Result<Option<OutputBody>> + Send + Sync;

/// The panes of a window over whole records.
type Panes<R> = Mutex<BTreeMap<Time, RawPane<R>>>;

impl<R: Rdd> DStream<R> {
    /// The records of the last `window`, every `slide`. They are kept once, whatever is made of them and however often.
    ///
    /// Both must be multiples of this stream's slide; if not, `start` says so.
    #[track_caller]
    pub fn windowed(&self, window: Duration, slide: Duration) -> DStream<BoxRdd<R::Item>> {
        let span = self.span(window, slide);
        let (parent, panes) = (Arc::clone(&self.node), Arc::new(Panes::<R>::default()));
        let keep = Arc::new(Mutex::new(Keep::in_memory()));
        let zero = Arc::clone(&self.node.info().origin);
        let pane_at = {
            let (panes, keep) = (Arc::clone(&panes), Arc::clone(&keep));
            Arc::new(move |time| raw_pane(&parent, &panes, time, &keep))
        };
        let executor = self.executor().clone();
        let compute = {
            let pane_at = Arc::clone(&pane_at);
            let zero = Arc::clone(&zero);
            move |time: Time| {
                let begin = zero.zero.get().map_or(time, |zero| (time - span.window).max(*zero));
                let times = (begin + span.pane).to(time, span.pane);
                let panes = times.filter_map(|time| pane_at(time).transpose()).collect::<Result<Vec<_>>>()?;
                Ok(Some(UnionAll::new(executor.clone(), panes).boxed()))
            }
        };
        let info = self.graph.info("window", Location::caller(), span.slide, true).reaching_back(span.window);
        let forgotten = move |time| forget_panes(&panes, time - span.window);
        let node =
            Node::new(info, vec![Arc::clone(&self.node) as _], Box::new(compute)).with_forget(forgotten);
        let node = node.with_persist(move |told| *keep.lock().unwrap_or_else(PoisonError::into_inner) = told);
        let stream = self.graph.add(node);
        stream.keep_up(span, move |time| pane_at(time));
        stream
    }

    /// Prepares, in batches in which this stream has no RDD but is going to need its parent's, what `rdd_at` gives.
    fn keep_up<P: Rdd>(
        &self,
        span: Span,
        rdd_at: impl Fn(Time) -> Result<Option<P>> + Send + Sync + 'static,
    ) {
        if span.slide <= span.pane {
            return;
        }
        let origin = Arc::clone(&self.node.info().origin);
        let generate = move |time: Time| {
            let Some(zero) = origin.zero.get() else { return Ok(None) };
            let is_due = time.is_multiple_of(span.pane, *zero) && !time.is_multiple_of(span.slide, *zero);
            if !is_due || !span.wants(time, *zero) {
                return Ok(None);
            }
            let prepare = |rdd: P| -> OutputBody {
                Box::new(move |job: &Job| rdd.prepare(job).map_err(BoxError::from))
            };
            Ok(rdd_at(time)?.map(prepare))
        };
        self.graph.add_upkeep(Upkeep { node: self.node.info().id, generate: Arc::new(generate) });
    }

    /// The window's measures, checked. What does not fit is a mistake that `start` reports.
    #[track_caller]
    fn span(&self, window: Duration, slide: Duration) -> Span {
        let pane = self.slide();
        for (what, duration) in [("window", window), ("slide", slide)] {
            let fits =
                !duration.is_zero() && Time::default().is_multiple_of(pane, Time::default() + duration);
            if !fits {
                let need = if duration.is_zero() { "greater than zero and " } else { "" };
                self.graph.mistake(
                    Location::caller(),
                    &format!(
                        "The {what} duration of windowed DStream ({} ms) must be {need}a multiple of the slide duration of \
                         parent DStream ({} ms)",
                        duration.as_millis(),
                        pane.as_millis(),
                    ),
                );
                return Span { window: pane, slide: pane, pane };
            }
        }
        Span { window, slide, pane }
    }
}

/// The pane of the parent's batch at `time`, made on the first call.
fn raw_pane<R: Rdd>(
    parent: &Node<R>,
    panes: &Panes<R>,
    time: Time,
    keep: &Mutex<Keep<R::Item>>,
) -> Result<Option<RawPane<R>>> {
    let mut panes = panes.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pane) = panes.get(&time) {
        return Ok(Some(pane.clone()));
    }
    let keep = *keep.lock().unwrap_or_else(PoisonError::into_inner);
    let pane = parent.at(time)?.map(|batch| RawPane::new(batch, keep));
    panes.extend(pane.clone().map(|pane| (time, pane)));
    Ok(pane)
}

fn forget_panes<R: Rdd>(panes: &Panes<R>, time: Time) {
    let mut panes = panes.lock().unwrap_or_else(PoisonError::into_inner);
    let later = panes.split_off(&(time + Duration::from_millis(1)));
    let old = std::mem::replace(&mut *panes, later);
    drop(panes);
    drop(old);
}

impl<K: Key + Stored, V: Stored> DStream<Wide<(K, V)>> {
    /// For each key, what [`Sliding`] makes of its values of the last `window`, every `slide`. This stream must have each key at
    /// most once a batch, in the partition of the key's hash, one of `partitions`: it comes from a shuffle that combines by key.
    ///
    /// `make` is given the measures of the window. A `sticky` window is never empty again once it has held a key: the last key
    /// that leaves stays, with what it came to.
    #[track_caller]
    pub fn keyed_window<S: Sliding<V>>(
        &self,
        operator: &'static str,
        (window, slide): (Duration, Duration),
        partitions: usize,
        sticky: bool,
        make: impl FnOnce(Span) -> S,
    ) -> DStream<BoxRdd<(K, S::Out)>> {
        self.keyed_window_shown(operator, (window, slide), partitions, sticky, make, |pairs| pairs)
    }

    /// The same, where `show` makes of the pairs of each window what the stream gives.
    #[track_caller]
    pub fn keyed_window_shown<S: Sliding<V>, R: Rdd>(
        &self,
        operator: &'static str,
        (window, slide): (Duration, Duration),
        partitions: usize,
        sticky: bool,
        make: impl FnOnce(Span) -> S,
        show: impl Fn(BoxRdd<(K, S::Out)>) -> R + Send + Sync + 'static,
    ) -> DStream<R> {
        let span = self.span(window, slide);
        let window =
            KeyedWindow::<K, V, S>::new(operator, span, make(span), sticky, self.executor(), partitions);
        let tables = window.tables();
        let origin = Arc::clone(&self.node.info().origin);
        let zero = move || *origin.zero.get().unwrap_or(&Time::default());
        let feed = Arc::new(Feed {
            node: Arc::clone(&self.node),
            sequence: Sequence::new(window, self.executor().clone()),
            wants: {
                let zero = zero.clone();
                Box::new(move |time| span.wants(time, zero()))
            },
            input: Box::new(move |pane, time| Arriving { pane, end: span.next_end(time, zero()) }),
            steps: Mutex::default(),
        });
        let rdd_at = {
            let feed = Arc::clone(&feed);
            Arc::new(move |time| {
                let step = feed.step_at(time)?;
                let pairs = |step| StepRdd::<_, Whole>::new(Arc::clone(&feed.sequence), step).boxed();
                Ok(step.map(|step| show(pairs(step))))
            })
        };
        let info = self.graph.info(operator, Location::caller(), span.slide, true);
        let (parents, forgets) = (vec![Arc::clone(&self.node) as _], Arc::clone(&feed));
        let node = Node::new(info, parents, {
            let rdd_at = Arc::clone(&rdd_at);
            Box::new(move |time| rdd_at(time))
        })
        .with_forget(move |time| forgets.forget(time));
        let stream = self.graph.add(node);
        self.graph.add_stateful(Stateful { node: Arc::clone(&stream.node) as _, tables, feed });
        stream.keep_up(span, move |time| rdd_at(time));
        stream
    }
}
