//! `cargo xtask demo`: an example that serves on localhost, with a table in memory that `aws` and
//! `curl` can read.

use std::net::TcpListener;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::cargo_lambda::CargoLambda;
use crate::emulator::{Emulator, TABLE, point_at};
use crate::function::{Function, Start};
use crate::workspace::Workspace;

pub(crate) struct Demo {
    example: &'static str,
    port: u16,
}

impl Demo {
    pub(crate) fn parse(options: &[&str]) -> Result<Self> {
        let mut demo = Self {
            example: "counter",
            port: 9000,
        };
        let mut options = options.iter();
        while let Some(option) = options.next() {
            if !["--example", "--port"].contains(option) {
                bail!("demo has no option {option}; it has --example and --port");
            }
            let value = options.next().copied();
            let value = value.with_context(|| format!("{option} needs a value"))?;
            match *option {
                "--example" => demo.example = known(value)?,
                _ => demo.port = value.parse().context("--port needs a number")?,
            }
        }
        Ok(demo)
    }

    pub(crate) async fn run(&self, workspace: &Workspace) -> Result<ExitCode> {
        let &Self { example, port } = self;
        TcpListener::bind(("127.0.0.1", port))
            .with_context(|| format!("port {port} is not free; choose one with --port"))?;
        let cargo_lambda = CargoLambda::find_or_install(workspace).await?;
        let emulator = Emulator::start().await?;
        let start = Start {
            example,
            port,
            log: None,
            environment: &|command| point_at(emulator.endpoint(), command),
        };
        let mut function = Function::start(workspace, &cargo_lambda, &start).await?;
        println!("{}", self.guide(&function, &emulator));
        function.ended().await?;
        Ok(ExitCode::FAILURE)
    }

    fn guide(&self, function: &Function, emulator: &Emulator) -> String {
        let url = function.url();
        let visit = match self.example {
            "login" => format!(
                "  curl -c jar -b jar {url}login -d user=alice -d password=wonderland\n  \
                   curl -c jar -b jar {url}\n  \
                   curl -c jar -b jar {url}devices\n  \
                   curl -c jar -b jar {url}logout -X POST"
            ),
            "csrf" => format!(
                "  curl -c jar -b jar {url}give -d coins=3 -H 'sec-fetch-site: same-origin'\n  \
                   curl -c jar -b jar {url}\n  \
                   curl -i -b jar {url}give -d coins=3 -H 'sec-fetch-site: cross-site'"
            ),
            "axum_example" => {
                format!("  Open {url} and sign in as ada, with the password lovelace")
            }
            "callbacks" => format!("  Open {url} in a browser, and log in as Alice or Bob."),
            "axum_login_example" => format!(
                "  curl -c jar -b jar {url}login -d name=alice -d password=wonderland\n  \
                   curl -c jar -b jar {url}account\n  \
                   curl -c jar -b jar {url}logout -X POST"
            ),
            _ => format!("  curl -c jar -b jar {url}"),
        };
        let table = match self.example {
            "custom_store" => "Its sessions are files. None of them is in DynamoDB.".to_owned(),
            _ => format!(
                "The table holds no cookie's value, only its SHA-256 as `id`. The first record\n\
                 belongs to the demo's own first request. Read the table with the AWS CLI or curl:\n\n  \
                   AWS_ACCESS_KEY_ID=dummy AWS_SECRET_ACCESS_KEY=dummy aws dynamodb scan \\\n    \
                   --region us-east-1 --endpoint-url {0} --table-name {TABLE}\n\n  \
                   curl --aws-sigv4 aws:amz:us-east-1:dynamodb --user dummy:dummy \\\n    \
                   -H 'x-amz-target: DynamoDB_20120810.Scan' \\\n    \
                   -H 'content-type: application/x-amz-json-1.0' \\\n    \
                   -d '{{\"TableName\":\"{TABLE}\"}}' {0}",
                emulator.endpoint()
            ),
        };
        format!(
            "\n{} is at {url}\n\n{visit}\n\n{table}\n\nPress Ctrl-C to end it.\n",
            self.example
        )
    }
}

fn known(example: &str) -> Result<&'static str> {
    [
        "counter",
        "login",
        "axum_example",
        "axum_login_example",
        "custom_store",
        "csrf",
        "callbacks",
    ]
    .into_iter()
    .find(|known| *known == example)
    .with_context(|| format!("there is no example {example}"))
}
