//! Lists for which the SDK has no paginator.

use std::future::Future;

use aws_smithy_async::future::pagination_stream::PaginationStream;
use aws_smithy_async::future::pagination_stream::fn_stream::FnStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;

/// The pages of a list, as the SDK's own paginators give them: `send` asks for one by its token, `next` finds the
/// token of the page after it. It ends with the first error, and where a page names itself as the next.
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
