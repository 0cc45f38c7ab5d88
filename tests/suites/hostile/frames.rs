//! HTTP/2 that breaks its rules, or keeps to them to do harm.

use std::sync::Arc;

use super::ground::{Ground, Shown};
use super::raw::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, Line, PING, RESET, SETTINGS, WINDOW,
    call, frame, frame_of, literal, shout, text,
};
use super::scenario::{Scenario, Seen, many, scenarios, tally};

/// A call that is refused as soon as it is read, and one that waits for its caller.
const UNKNOWN: &str = "/lianbo.v1.Sync/Nothing";
const WAITING: &str = "/lianbo.v1.Sync/Push";

const CALM: &str = "GOAWAY ENHANCE_YOUR_CALM";
const PROTOCOL: &str = "GOAWAY PROTOCOL_ERROR";

pub(super) fn scenarios() -> Vec<Scenario> {
    scenarios![
        "frames larger than agreed": oversize => ["GOAWAY FRAME_SIZE_ERROR"],
        "headers that never end (CONTINUATION)": continuations => [CALM, PROTOCOL, "GOAWAY COMPRESSION_ERROR", "closed"],
        "settings without end": settings => ["taken", "cut"],
        "pings without end, nothing read": pings => ["taken", "cut"],
        "streams opened and reset": rapid_reset => [CALM, "closed"],
        "streams opened and reset, each answered first": answered_reset => ["taken", CALM, "closed"],
        "streams without end": open_streams => ["REFUSED_STREAM, GOAWAY PROTOCOL_ERROR", "REFUSED_STREAM, GOAWAY ENHANCE_YOUR_CALM", CALM, PROTOCOL],
        "a header bomb (HPACK)": header_bomb => [CALM, PROTOCOL, "GOAWAY COMPRESSION_ERROR", "left open {\"answered\"", "closed"],
        "headers of a megabyte": large_headers => [CALM, PROTOCOL, "closed", "left open {\"answered\""],
        "headers that are none": bad_headers => ["PROTOCOL_ERROR, GOAWAY PROTOCOL_ERROR", PROTOCOL, "GOAWAY COMPRESSION_ERROR", "closed"],
        "data beyond the window": beyond_window => ["STREAM_CLOSED, GOAWAY PROTOCOL_ERROR", "FLOW_CONTROL_ERROR, GOAWAY PROTOCOL_ERROR", "GOAWAY FLOW_CONTROL_ERROR", PROTOCOL],
        "empty data without end": empty_data => [CALM, "closed", "left open", "taken"],
        "a window that overflows": window_overflow => ["GOAWAY FLOW_CONTROL_ERROR"],
        "frames on streams that never were": idle_streams => [PROTOCOL, "GOAWAY STREAM_CLOSED"],
        "frames of no known kind": unknown_kinds => ["taken"],
    ]
}

/// Both kinds of caller, so many connections of each at once.
async fn both<F>(ground: Arc<Ground>, each: usize, attack: impl Fn(Line) -> F + Clone) -> Seen
where
    F: Future<Output = String> + Send + 'static,
{
    let mut lines = Vec::new();
    for _ in 0..each {
        for shown in [Shown::Nothing, Shown::Member] {
            lines.push(Line::begun(&ground, shown).await);
        }
    }
    let mut lines = lines.into_iter();
    many(2 * each, |_| attack(lines.next().unwrap())).await
}

/// Odd numbers: the caller's streams.
fn streams(count: usize) -> impl Iterator<Item = u32> + Send {
    (1..).step_by(2).take(count)
}

async fn oversize(ground: Arc<Ground>) -> Seen {
    both(ground, 8, |line| {
        let chunks = [frame_of(0xff_ffff, DATA, 0, 1, &vec![0; 100_000])];
        line.talk(chunks.into_iter())
    })
    .await
}

async fn continuations(ground: Arc<Ground>) -> Seen {
    both(ground, 4, |line| {
        let first = frame(HEADERS, 0, 1, &call(UNKNOWN));
        let more = frame(CONTINUATION, 0, 1, &literal("x", &"y".repeat(8_000)));
        line.talk(std::iter::once(first).chain(std::iter::repeat_n(more, 20_000)))
    })
    .await
}

/// What a flood that is allowed came to.
async fn flood(line: Line, chunk: Vec<u8>, times: usize) -> String {
    let Line { reader: _reader, writer } = line;
    let whole = shout(writer, std::iter::repeat_n(chunk, times)).await;
    if whole { "taken" } else { "cut" }.to_owned()
}

async fn settings(ground: Arc<Ground>) -> Seen {
    let times = ground.size(200, 5_000);
    both(ground, 1, move |line| flood(line, frame(SETTINGS, 0, 0, &[]).repeat(100), times)).await
}

async fn pings(ground: Arc<Ground>) -> Seen {
    let times = ground.size(200, 5_000);
    both(ground, 1, move |line| flood(line, frame(PING, 0, 0, &[7; 8]).repeat(100), times)).await
}

async fn rapid_reset(ground: Arc<Ground>) -> Seen {
    let count = ground.size(100_000, 1_000_000);
    both(ground, 1, move |line| {
        line.talk(streams(count).map(|stream| {
            let mut both = frame(HEADERS, END_HEADERS, stream, &call(WAITING));
            both.extend(frame(RESET, 0, stream, &8_u32.to_be_bytes()));
            both
        }))
    })
    .await
}

/// The hub has answered each by the time it is reset, so that no bound on waiting resets is met.
async fn answered_reset(ground: Arc<Ground>) -> Seen {
    let count = ground.size(2_000, 1_000_000);
    both(ground, 1, move |mut line| async move {
        for stream in streams(count) {
            let mut both = frame(HEADERS, END_HEADERS, stream, &call(UNKNOWN));
            if line.send(&both).await.is_err() {
                return "closed".to_owned();
            }
            both.clear();
            loop {
                let Ok((kind, ..)) = super::raw::read_frame(&mut line.reader).await else {
                    return "closed".to_owned();
                };
                if kind == HEADERS {
                    break;
                }
            }
            drop(line.send(&frame(RESET, 0, stream, &8_u32.to_be_bytes())).await);
        }
        "taken".to_owned()
    })
    .await
}

async fn open_streams(ground: Arc<Ground>) -> Seen {
    let count = ground.size(50_000, 1_000_000);
    both(ground, 1, move |line| {
        let ping = frame(SETTINGS, 1, 1, &[]);
        // At the end something that is an error, so that there is an end.
        line.talk(
            streams(count)
                .map(|stream| frame(HEADERS, END_HEADERS, stream, &call(WAITING)))
                .chain(std::iter::once(ping)),
        )
    })
    .await
}

/// One large header kept in the table, then named again and again, a byte each.
async fn header_bomb(ground: Arc<Ground>) -> Seen {
    both(ground, 4, |line| {
        let mut block = call(UNKNOWN);
        block.push(0x40);
        text(&mut block, "x");
        text(&mut block, &"y".repeat(3_900));
        block.extend([0x80 | 0x3e; 8_000]);
        line.talk(
            streams(30)
                .map(move |stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &block))
                .chain(std::iter::once(frame(SETTINGS, 1, 1, &[]))),
        )
    })
    .await
}

async fn large_headers(ground: Arc<Ground>) -> Seen {
    both(ground, 4, |line| {
        let block = [call(UNKNOWN), literal("x", &"y".repeat(1_000_000))].concat();
        let mut chunks: Vec<_> = block.chunks(16_000).map(<[u8]>::to_vec).collect();
        let last = chunks.len() - 1;
        for (index, chunk) in chunks.iter_mut().enumerate() {
            let kind = if index == 0 { HEADERS } else { CONTINUATION };
            let flags = if index == last { END_HEADERS } else { 0 };
            *chunk = frame(kind, flags, 1, chunk);
        }
        line.talk(chunks.into_iter())
    })
    .await
}

async fn bad_headers(ground: Arc<Ground>) -> Seen {
    let blocks = [
        // An index nobody filled, a table larger than agreed, a length without end, a name in capitals.
        vec![0xff, 0xff, 0xff, 0xff, 0x0f],
        vec![0x3f, 0xff, 0xff, 0xff, 0x0f],
        vec![0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        [call(UNKNOWN), literal(":path", "/twice")].concat(),
    ];
    let mut seen = Seen::new();
    for block in blocks {
        let one = both(ground.clone(), 2, move |line| {
            let bad = frame(HEADERS, END_HEADERS, 1, &block);
            line.talk([bad, frame(SETTINGS, 1, 1, &[])].into_iter())
        });
        for (outcome, count) in one.await {
            *seen.entry(outcome).or_default() += count;
        }
    }
    seen
}

async fn beyond_window(ground: Arc<Ground>) -> Seen {
    both(ground, 3, |line| {
        let first = frame(HEADERS, END_HEADERS, 1, &call(WAITING));
        let more = frame(DATA, 0, 1, &[0xff; 16_000]);
        let end = frame(SETTINGS, 1, 1, &[]);
        let flood = std::iter::once(first).chain(std::iter::repeat_n(more, 2_000));
        line.talk(flood.chain(std::iter::once(end)))
    })
    .await
}

async fn empty_data(ground: Arc<Ground>) -> Seen {
    let times = ground.size(200, 10_000);
    both(ground, 1, move |line| {
        let first = frame(HEADERS, END_HEADERS, 1, &call(WAITING));
        let more = frame(DATA, 0, 1, &[]).repeat(100);
        let end = frame(SETTINGS, 1, 1, &[]);
        let flood = std::iter::once(first).chain(std::iter::repeat_n(more, times));
        line.talk(flood.chain(std::iter::once(end)))
    })
    .await
}

async fn window_overflow(ground: Arc<Ground>) -> Seen {
    both(ground, 4, |line| {
        let most = frame(WINDOW, 0, 0, &0x7fff_ffff_u32.to_be_bytes());
        line.talk([most.clone(), most].into_iter())
    })
    .await
}

async fn idle_streams(ground: Arc<Ground>) -> Seen {
    let mut seen = Vec::new();
    for kind in [DATA, RESET, WINDOW] {
        let shown = Shown::Member;
        let line = Line::begun(&ground, shown).await;
        seen.push(line.talk(std::iter::once(frame(kind, 0, 77, &[0, 0, 0, 1]))).await);
    }
    tally(seen)
}

async fn unknown_kinds(ground: Arc<Ground>) -> Seen {
    let times = ground.size(100, 2_000);
    both(ground, 1, move |line| flood(line, frame(0xee, 0, 0, &[7; 10_000]), times)).await
}
