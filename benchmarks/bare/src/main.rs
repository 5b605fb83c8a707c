//! Sessions by hand: `GetItem` and `UpdateItem` of the AWS SDK, without any of a library's promises.

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use lambda_http::http::header::{COOKIE, SET_COOKIE};
use lambda_http::{Body, Error, Request, Response, run_concurrent, service_fn};

const TABLE: &str = "sessions";
const COOKIE_PREFIX: &str = "__Host-sid=";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = aws_config::defaults(BehaviorVersion::latest()).load().await;
    let client = Client::new(&config);
    run_concurrent(service_fn(move |request| handle(client.clone(), request))).await
}

async fn handle(client: Client, request: Request) -> Result<Response<Body>, Error> {
    let text = match request.uri().path() {
        "/none" => "hello\n".to_owned(),
        "/read" => format!("visit {}\n", read(&client, id(&request)?).await?),
        "/read-write" => {
            let id = id(&request)?;
            let visits = read(&client, id).await? + 1;
            write(&client, id, visits).await?;
            format!("visit {visits}\n")
        }
        "/write" => {
            write(&client, id(&request)?, 1).await?;
            "written\n".to_owned()
        }
        path => return start(&client, path).await,
    };
    Ok(Response::new(text.into()))
}

fn id(request: &Request) -> Result<&str, Error> {
    let cookies = request.headers().get(COOKIE).ok_or("there is no cookie")?;
    let mut pairs = cookies.to_str()?.split("; ");
    let id = pairs.find_map(|pair| pair.strip_prefix(COOKIE_PREFIX));
    Ok(id.ok_or("there is no session")?)
}

async fn read(client: &Client, id: &str) -> Result<i64, Error> {
    let output = client
        .get_item()
        .table_name(TABLE)
        .key("id", AttributeValue::S(id.to_owned()))
        .consistent_read(true)
        .send()
        .await?;
    let item = output.item().ok_or("the session is gone")?;
    let visits = item.get("n").and_then(|value| value.as_n().ok());
    Ok(visits.ok_or("the session has no number")?.parse()?)
}

async fn write(client: &Client, id: &str, visits: i64) -> Result<(), Error> {
    client
        .update_item()
        .table_name(TABLE)
        .key("id", AttributeValue::S(id.to_owned()))
        .update_expression("SET n = :n")
        .expression_attribute_values(":n", AttributeValue::N(visits.to_string()))
        .send()
        .await?;
    Ok(())
}

/// Stores a session with a number and as many KB of other values as the path says.
async fn start(client: &Client, path: &str) -> Result<Response<Body>, Error> {
    let kilobytes = path
        .strip_prefix("/start/")
        .ok_or("there is no such path")?;
    let mut random = [0; 16];
    getrandom::fill(&mut random)?;
    let id = format!("{:043x}", u128::from_ne_bytes(random));
    let mut put = client
        .put_item()
        .table_name(TABLE)
        .item("id", AttributeValue::S(id.clone()))
        .item("n", AttributeValue::N("0".to_owned()));
    for part in 0..kilobytes.parse()? {
        put = put.item(format!("f{part}"), AttributeValue::S("x".repeat(1000)));
    }
    put.send().await?;
    let cookie = format!("{COOKIE_PREFIX}{id}; HttpOnly; Secure; SameSite=Lax; Path=/");
    Ok(Response::builder()
        .header(SET_COOKIE, cookie)
        .body(Body::Empty)?)
}
