//! The node that has done nothing wrong: it says Hello and pushes again and again, and times the answers.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lianbo_tests::pusher::Pusher;
use lianbo_tests::{raw, records};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Between two rounds: a node at work, not one that tries how much a hub can bear.
const PAUSE: Duration = Duration::from_millis(10);

/// Two kinds of call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    /// A question that reads the database.
    Hello,
    /// An entry, acknowledged: it is on the disk.
    Push,
}

/// Both.
pub(super) const CALLS: [Call; 2] = [Call::Hello, Call::Push];

/// How long calls took, in order.
type Samples = Arc<Mutex<[Vec<Duration>; 2]>>;

/// An honest node at work on a thread of its own, until dropped.
#[derive(Debug)]
pub(super) struct Honest {
    samples: Samples,
    rounds: watch::Receiver<usize>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Honest {
    pub(super) fn start(pusher: Pusher) -> Self {
        let (samples, stop) = (Samples::default(), CancellationToken::new());
        let (told, rounds) = watch::channel(0);
        let (here, ended) = (samples.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = work(pusher, &here, &told) => {}
                    () = ended.cancelled() => {}
                }
            });
        });
        Self { samples, rounds, stop, thread: Some(thread) }
    }

    /// Waits for so many rounds more; each is a Hello and a push.
    pub(super) async fn rounds(&mut self, more: usize) {
        let upto = *self.rounds.borrow() + more;
        let waiting = self.rounds.wait_for(|rounds| *rounds >= upto);
        let waited = tokio::time::timeout(Duration::from_mins(1), waiting).await;
        waited.expect("the honest node is served").expect("the honest node is served");
    }

    /// A mark for [`Honest::since`].
    pub(super) fn now(&self) -> [usize; 2] {
        self.samples.lock().unwrap().each_ref().map(Vec::len)
    }

    /// How long calls of one kind took since then.
    pub(super) fn since(&self, mark: [usize; 2], call: Call) -> Vec<Duration> {
        self.samples.lock().unwrap()[call as usize][mark[call as usize]..].to_vec()
    }
}

impl Drop for Honest {
    fn drop(&mut self) {
        self.stop.cancel();
        let thread = self.thread.take().unwrap();
        let ended = thread.join();
        assert!(ended.is_ok() || std::thread::panicking(), "the honest node was not served");
    }
}

#[expect(clippy::disallowed_methods, reason = "it paces itself; nothing is awaited so")]
async fn work(mut pusher: Pusher, samples: &Samples, told: &watch::Sender<usize>) {
    let mut client = pusher.connect().await.expect("the hub is there");
    let mut pushing = pusher.open().await.expect("the hub is there");
    pusher.write([records::column("news", "要闻")]);
    pusher.push(&mut pushing, 1).await.expect("the hub acknowledges");
    let mut hello = raw::hello(pusher.site());
    for round in 0_usize.. {
        hello.incarnation = bytes::Bytes::from_static(&[1; 16]);
        let began = Instant::now();
        client.hello(hello.clone()).await.expect("the hub answers");
        samples.lock().unwrap()[Call::Hello as usize].push(began.elapsed());
        // Few are revised often.
        let [.., id] = round.to_be_bytes();
        pusher.write([records::article(id, "稿")]);
        let began = Instant::now();
        pusher.push(&mut pushing, 1).await.expect("the hub acknowledges");
        samples.lock().unwrap()[Call::Push as usize].push(began.elapsed());
        told.send_replace(round);
        tokio::time::sleep(PAUSE).await;
    }
}
