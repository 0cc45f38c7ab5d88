//! How long a turn of a task may be: what costs more than it seems to spends more of the 128 units a task has before others
//! have their turn.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use tokio::task::coop::poll_proceed;

/// Spends so many units of this turn; pending once there are none left, until the next.
pub(crate) fn poll_spend(cx: &mut Context<'_>, units: usize) -> Poll<()> {
    for _ in 0..units {
        ready!(poll_proceed(cx)).made_progress();
    }
    Poll::Ready(())
}

/// Spends so many units of this turn, or of the next where there are none left.
pub(crate) async fn spend(units: usize) {
    poll_fn(|cx| poll_spend(cx, units)).await;
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn what_costs_more_than_it_seems_ends_the_turn() {
        let mut turns = 0;
        let mut work = pin!(async {
            for _ in 0..8 {
                spend(32).await;
            }
        });
        poll_fn(|cx| {
            turns += 1;
            work.as_mut().poll(cx)
        })
        .await;
        assert_eq!(turns, 2);
    }
}
