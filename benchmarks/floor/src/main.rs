//! The floor: `lambda_http` alone.

use lambda_http::{Error, Request, run_concurrent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run_concurrent(service_fn(hello)).await
}

async fn hello(_request: Request) -> Result<String, Error> {
    Ok("hello\n".to_owned())
}
