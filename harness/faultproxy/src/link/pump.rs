//! One direction of one connection, as a state machine that its task polls.
//!
//! With no toxic in the way, bytes go from a buffer of the thread straight to
//! the other socket, and an idle connection owns no buffer at all. Otherwise
//! they are queued, and leave when the [plan](super::plan) says so.

use super::connection::Connection;
use super::gate::{Gate, Passed};
use super::plan::{Age, Close, Plan, Rebuilt, Step};
use super::queue::{Chunk, Queue, Share, WaitsFor};
use crate::attend::StreamEnd;
use crate::core::Core;
use crate::link::Link;
use crate::seed::Key;
use crate::socket::{ReadHalf, WriteHalf};
use crate::timer::Alarm;
use crate::toxic::Stream;
use bytes::Bytes;
use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes moved by one read when nothing is in the way: large enough that bulk
/// transfers spend their time copying and not in system calls.
const DIRECT_READ: usize = 128 << 10;
/// Bytes queued by one read, small enough for even pacing.
const QUEUED_READ: usize = 32 << 10;
/// Bytes written at once, and the pieces that they may lie in.
const MOST_WRITTEN: usize = 1 << 20;
const MOST_SLICES: usize = 64;
/// Pieces planned ahead.
const PLANNED: usize = 1024;
/// Rounds of one poll after which other tasks get their turn.
const ROUNDS: usize = 16;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; DIRECT_READ]);
}

/// How a direction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The end of the stream was forwarded.
    Finished,
    /// The destination does not take bytes any more.
    Broken,
    /// The whole connection is to be closed.
    Closing(Close),
}

#[derive(Debug, Clone, Copy)]
enum Source {
    Open,
    /// Ended at this time, in this way; not yet planned.
    Ended(Instant, Step),
    /// The end is part of the plan.
    Planned(Instant, Step),
}

pub(crate) struct Pump {
    connection: Arc<Connection>,
    link: Arc<Link>,
    stream: Stream,
    read: ReadHalf,
    write: WriteHalf,
    /// The generation of settings in force, none before the first poll.
    generation: Option<u64>,
    source: Source,
    gate: Gate,
    queue: Queue,
    share: Share,
    plan: Plan,
    alarm: Alarm,
    noise: Key,
    chunks: u64,
}

impl Pump {
    pub(crate) fn new(
        core: &Arc<Core>,
        link: &Arc<Link>,
        connection: &Arc<Connection>,
        stream: Stream,
        (read, write): (ReadHalf, WriteHalf),
    ) -> Self {
        Self {
            link: Arc::clone(link),
            stream,
            read,
            write,
            generation: None,
            source: Source::Open,
            gate: Gate::new(core, link, connection, stream),
            queue: Queue::default(),
            share: Share::new(Arc::clone(&core.budget)),
            plan: Plan::new(),
            alarm: Alarm::new(core.timer.clone()),
            noise: connection.key.with(stream.name().as_bytes()),
            chunks: 0,
            connection: Arc::clone(connection),
        }
    }

    pub(crate) fn into_halves(self) -> (ReadHalf, WriteHalf) {
        (self.read, self.write)
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        self.connection.listen(self.stream, cx.waker());
        self.write.settle(cx);
        if let Some(how) = self.connection.closing() {
            return Poll::Ready(Ended::Closing(how));
        }
        for _ in 0..ROUNDS {
            if let Err(ended) = self.obey() {
                return Poll::Ready(ended);
            }
            let step = if self.is_direct() { self.poll_direct(cx) } else { self.poll_queued(cx) };
            if let Err(ended) = ready!(step) {
                return Poll::Ready(ended);
            }
        }
        // Busy as it is, it lets others have this thread for a while.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes over what was changed since the last time.
    fn obey(&mut self) -> Result<(), Ended> {
        let generation = self.connection.generation();
        if self.generation == Some(generation) {
            return Ok(());
        }
        let age = match self.generation {
            None => Age::New,
            Some(_) => Age::Open,
        };
        self.generation = Some(generation);
        match self.refresh(age) {
            Rebuilt::Replan => Ok(()),
            Rebuilt::Close => Err(Ended::Closing(Close::Fin)),
        }
    }

    /// Takes over the toxics in force.
    fn refresh(&mut self, age: Age) -> Rebuilt {
        let toxics = self.link.applied(self.connection.key, self.stream);
        let rebuilt = self.plan.rebuild(&toxics, Instant::now(), age);
        self.queue.replan();
        if let Source::Planned(at, step) = self.source {
            self.source = Source::Ended(at, step);
        }
        self.alarm.clear();
        rebuilt
    }

    fn is_direct(&self) -> bool {
        matches!(self.source, Source::Open)
            && self.queue.is_empty()
            && self.plan.is_clear()
            && (self.gate.is_open() || self.gate.follows())
    }

    /// One read and the write of what it brought.
    fn poll_direct(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        BUFFER.with_borrow_mut(|buffer| {
            let kept = self.gate.kept();
            let mut buf = ReadBuf::new(&mut buffer[kept..]);
            let result = ready!(Pin::new(&mut self.read).poll_read(cx, &mut buf));
            let end = kept + buf.filled().len();
            if self.note_read(result, end - kept) {
                return Poll::Ready(Ok(()));
            }
            // A call that changes what is in force may have returned since this
            // poll began, and these bytes may have been sent after it.
            self.obey()?;
            if !self.is_direct() {
                self.take_in(&buffer[kept..end]);
                return Poll::Ready(Ok(()));
            }
            self.gate.copy_kept(buffer);
            let (passed, dropped) = self.gate.follow(&buffer[..end]);
            // Those that passed now were not counted when they came.
            self.share.remove(kept);
            self.share.add(end - passed);
            self.share.remove(dropped);
            if passed == 0 {
                return Poll::Ready(Ok(()));
            }
            let data = &buffer[..passed];
            match Pin::new(&mut self.write).poll_write(cx, data) {
                Poll::Ready(Ok(written)) => {
                    self.count_sent(written);
                    if written < passed {
                        self.set_aside(&data[written..]);
                    }
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Ended::Broken)),
                // The next round waits for the socket in poll_queued.
                Poll::Pending => self.set_aside(data),
            }
            Poll::Ready(Ok(()))
        })
    }

    /// One step of the queue: what is due leaves, what has come is queued.
    fn poll_queued(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        let now = Instant::now();
        let gate = self.drain_gate(now);
        self.extend_plan();
        let deadline = self.plan.deadline();
        if let Some((at, how)) = deadline
            && at <= now
        {
            return Poll::Ready(Err(Ended::Closing(how)));
        }
        let written = self.poll_front(cx, now)?;
        let read = self.poll_fill(cx, now);
        if written.is_ready() || read.is_ready() {
            return Poll::Ready(Ok(()));
        }
        let front = self.plan.front().map(|piece| piece.due);
        let wake = front
            .filter(|due| *due > now)
            .into_iter()
            .chain(deadline.map(|(at, _)| at))
            .chain(gate)
            .min();
        match wake {
            Some(wake) => self.alarm.set(wake, cx.waker()),
            None => self.alarm.clear(),
        }
        Poll::Pending
    }

    /// Moves what the gate lets through to the queue; when to look again.
    fn drain_gate(&mut self, now: Instant) -> Option<Instant> {
        loop {
            match self.gate.pass(now) {
                Passed::Data(data) if data.is_empty() => {}
                Passed::Data(data) => self.enqueue(data, now),
                Passed::Dropped(bytes) => self.share.remove(bytes),
                Passed::Wait(wake) => return wake,
                Passed::Close(how) => {
                    if !matches!(self.source, Source::Planned(..)) {
                        self.source = Source::Ended(now, Step::Close(how));
                    }
                    return None;
                }
            }
        }
    }

    fn extend_plan(&mut self) {
        while self.plan.wants_more(PLANNED) {
            let Some(chunk) = self.queue.next_unplanned() else {
                break;
            };
            self.plan.chunk(chunk.data.len(), chunk.at, chunk.noise);
        }
        // A reset by a rule comes in place of what the gate still holds.
        if let Source::Ended(at, step) = self.source
            && (self.gate.is_empty() || matches!(step, Step::Close(_)) && self.gate.resets())
            && self.queue.all_planned()
            && self.plan.wants_more(PLANNED)
        {
            self.plan.end(at, step);
            self.source = Source::Planned(at, step);
        }
    }

    /// Does what is due at the front of the plan. Ready: something was done.
    fn poll_front(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Result<(), Ended>> {
        let Some(piece) = self.plan.front() else {
            return Poll::Pending;
        };
        if piece.due > now {
            return Poll::Pending;
        }
        match piece.step {
            Step::Write(_) => {
                // All that is due, as messages that came together leave together.
                let len = self.plan.writable(now, MOST_WRITTEN);
                if self.plan.corrupts() {
                    return self.poll_corrupted(cx, len);
                }
                let mut slices = [IoSlice::new(&[]); MOST_SLICES];
                let count = self.queue.front(len, &mut slices);
                let write = Pin::new(&mut self.write);
                match ready!(write.poll_write_vectored(cx, &slices[..count])) {
                    Ok(written) => {
                        self.count_sent(written);
                        self.leave(written);
                    }
                    Err(_) => return Poll::Ready(Err(Ended::Broken)),
                }
            }
            Step::Drop(len) => self.leave(len),
            Step::HalfClose => {
                let result = ready!(Pin::new(&mut self.write).poll_shutdown(cx));
                return Poll::Ready(Err(match result {
                    Ok(()) => Ended::Finished,
                    Err(_) => Ended::Broken,
                }));
            }
            Step::Close(how) => return Poll::Ready(Err(Ended::Closing(how))),
        }
        Poll::Ready(Ok(()))
    }

    /// Writes bytes from the front of the queue changed. What of them was not
    /// taken is changed again, and the same way, the next time.
    fn poll_corrupted(&mut self, cx: &mut Context<'_>, len: usize) -> Poll<Result<(), Ended>> {
        let mut slices = [IoSlice::new(&[]); 1];
        self.queue.front(len.min(QUEUED_READ), &mut slices);
        let mut changed = slices[0].to_vec();
        self.plan.corrupt(&mut changed);
        match ready!(Pin::new(&mut self.write).poll_write(cx, &changed)) {
            Ok(written) => {
                self.count_sent(written);
                self.leave(written);
                Poll::Ready(Ok(()))
            }
            Err(_) => Poll::Ready(Err(Ended::Broken)),
        }
    }

    /// Reads into the queue while it has room. Ready: something came.
    fn poll_fill(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        // A message of which only a part has come must not wait for room that
        // its own rest would make.
        let starved = self.queue.is_empty() && self.gate.is_empty();
        if !matches!(self.source, Source::Open) {
            return Poll::Pending;
        }
        let waits_for = match self.gate.is_empty() {
            true => self.plan.waits_for(now),
            false => WaitsFor::Receiver,
        };
        let has_room = self.share.has_room(waits_for) && self.queue.has_place();
        if !has_room && !starved {
            self.gate.tell_unfinished();
            return Poll::Pending;
        }
        BUFFER.with_borrow_mut(|buffer| {
            let most = if self.plan.is_clear() { DIRECT_READ } else { QUEUED_READ };
            let mut buf = ReadBuf::new(&mut buffer[..most]);
            let result = ready!(Pin::new(&mut self.read).poll_read(cx, &mut buf));
            let filled = buf.filled();
            if !self.note_read(result, filled.len()) {
                self.take_in(filled);
            }
            Poll::Ready(())
        })
    }

    /// Queues what was read, at the gate or behind it.
    fn take_in(&mut self, data: &[u8]) {
        self.share.add(data.len());
        if self.gate.is_open() {
            // The time is asked after the read, not before: a thread that
            // loses its processor in between would date the bytes back, and
            // send them before their latency is over.
            self.enqueue(Bytes::copy_from_slice(data), Instant::now());
        } else {
            let dropped = self.gate.push(data);
            self.share.remove(dropped);
        }
    }

    /// Takes note of a read; true when it was the last one.
    fn note_read(&mut self, result: io::Result<()>, len: usize) -> bool {
        match result {
            Ok(()) if len > 0 => {
                self.connection.traffic[self.stream.index()]
                    .received
                    .fetch_add(len as u64, Ordering::Relaxed);
                false
            }
            // What arrived before a reset is delivered before the reset.
            ended => {
                let step = match ended {
                    Ok(()) => Step::HalfClose,
                    Err(_) => Step::Close(Close::Rst),
                };
                self.source = Source::Ended(Instant::now(), step);
                let how = match step {
                    Step::HalfClose => StreamEnd::Fin,
                    _ => StreamEnd::Rst,
                };
                let dropped = self.gate.finish(how);
                self.share.remove(dropped);
                true
            }
        }
    }

    fn set_aside(&mut self, data: &[u8]) {
        self.share.add(data.len());
        self.enqueue(Bytes::copy_from_slice(data), Instant::now());
    }

    /// Queues bytes that the share has counted.
    fn enqueue(&mut self, data: Bytes, at: Instant) {
        self.chunks += 1;
        self.queue.push(Chunk { data, at, noise: self.noise.number(self.chunks) });
    }

    fn leave(&mut self, len: usize) {
        self.queue.advance(len);
        self.plan.advance(len);
        self.share.remove(len);
    }

    fn count_sent(&self, len: usize) {
        self.connection.traffic[self.stream.index()].sent.fetch_add(len as u64, Ordering::Relaxed);
    }
}
