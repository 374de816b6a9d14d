//! Lists for which the SDK has no paginator.

use std::future::Future;

use aws_smithy_async::future::pagination_stream::PaginationStream;
use aws_smithy_async::future::pagination_stream::fn_stream::FnStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;

/// The pages of a list, as the SDK's own paginators give them: `send` asks for one by its token, `next` finds the
/// token of the page after it. It ends with the first error, and like
/// the SDK's at a token that AWS gives twice, which [`Place::pages`](super::Place::pages) takes for the broken list that
/// it is.
pub fn by_token<P, E, F>(
    send: impl Fn(Option<String>) -> F + Send + 'static,
    next: impl Fn(&P) -> Option<String> + Send + 'static,
) -> PaginationStream<Result<P, SdkError<E, HttpResponse>>>
where
    P: Send + 'static,
    E: Send + 'static,
    F: Future<Output = Result<P, SdkError<E, HttpResponse>>> + Send,
{
    PaginationStream::new(FnStream::new(|pages| {
        Box::pin(async move {
            let mut token: Option<String> = None;
            loop {
                let page = send(token.clone()).await;
                let following = page.as_ref().ok().and_then(&next).filter(|token| !token.is_empty());
                let is_last = following.is_none() || following == token;
                if pages.send(page).await.is_err() || is_last {
                    return;
                }
                token = following;
            }
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads pages of which each names the next.
    async fn read(tokens: &'static [&'static str]) -> Vec<usize> {
        let mut stream = by_token::<usize, (), _>(
            |token| async move { Ok(token.map_or(0, |token| token.parse().unwrap())) },
            move |page| tokens.get(*page).map(|token| (*token).to_owned()),
        );
        let mut pages = Vec::new();
        while let Some(page) = stream.next().await {
            pages.push(page.unwrap());
        }
        pages
    }

    #[tokio::test]
    async fn pages_are_read_to_the_last() {
        assert_eq!(read(&[]).await, [0]);
        assert_eq!(read(&["1", "2"]).await, [0, 1, 2]);
        assert_eq!(read(&["1", ""]).await, [0, 1]);
    }

    #[tokio::test]
    async fn a_token_given_twice_ends_it() {
        assert_eq!(read(&["1", "1"]).await, [0, 1]);
    }
}
