//! The forwarder that ours is measured against.

use std::net::SocketAddr;

/// What tokio offers for forwarding.
pub(crate) struct Plain(tokio::runtime::Runtime);

pub(crate) fn plain_forwarder(threads: usize) -> Plain {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("plain")
        .enable_all()
        .build();
    Plain(runtime.expect("threads can be had"))
}

impl Plain {
    pub(crate) fn forward(&self, upstream: SocketAddr) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0");
        let listener = self.0.block_on(listener).expect("loopback has a free port");
        let addr = listener.local_addr().expect("bound");
        self.0.spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let Ok(mut server) = tokio::net::TcpStream::connect(upstream).await else {
                        return;
                    };
                    let _ = client.set_nodelay(true);
                    let _ = server.set_nodelay(true);
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        addr
    }
}
