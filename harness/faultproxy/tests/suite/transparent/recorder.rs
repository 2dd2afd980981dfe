//! A forwarder that remembers every byte.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What both directions of one connection carried: up, and down.
type Conversation = [Vec<u8>; 2];

pub(super) struct Recorder {
    pub(super) addr: SocketAddr,
    conversations: Arc<Mutex<Vec<Arc<Mutex<Conversation>>>>>,
    /// Directions that are still open.
    open: Arc<()>,
}

impl Recorder {
    pub(super) fn to(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let addr = listener.local_addr().expect("it is bound");
        let recorder = Self { addr, conversations: Arc::default(), open: Arc::default() };
        let shared = Arc::clone(&recorder.conversations);
        let open = Arc::downgrade(&recorder.open);
        // All threads end with the test's process, or with their connection.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Some(open) = open.upgrade() else { return };
                let Ok(server) = TcpStream::connect(upstream) else { continue };
                let conversation = Arc::new(Mutex::new(Conversation::default()));
                shared.lock().expect("no panic inside").push(Arc::clone(&conversation));
                let ways = [(&client, &server), (&server, &client)];
                for (direction, (from, to)) in ways.into_iter().enumerate() {
                    let from = from.try_clone().expect("an open socket");
                    let to = to.try_clone().expect("an open socket");
                    let (into, open) = (Arc::clone(&conversation), Arc::clone(&open));
                    std::thread::spawn(move || {
                        copy(from, to, |data| {
                            let mut into = into.lock().expect("no panic inside");
                            into[direction].extend_from_slice(data);
                        });
                        drop(open);
                    });
                }
            }
        });
        recorder
    }

    /// Whether every connection is over.
    pub(super) fn is_done(&self) -> bool {
        Arc::strong_count(&self.open) == 1
    }

    /// What was said, in an order that does not depend on who came first.
    pub(super) fn said(&self) -> Vec<Conversation> {
        let all = self.conversations.lock().expect("no panic inside");
        let copy = |one: &Arc<Mutex<Conversation>>| one.lock().expect("no panic inside").clone();
        let mut said: Vec<_> = all.iter().map(copy).collect();
        said.sort();
        said
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, mut note: impl FnMut(&[u8])) {
    let _ = to.set_nodelay(true);
    let mut buffer = vec![0; 64 << 10];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        note(&buffer[..len]);
        if to.write_all(&buffer[..len]).is_err() {
            break;
        }
    }
    // The peer may have closed it already.
    let _ = to.shutdown(Shutdown::Write);
}
