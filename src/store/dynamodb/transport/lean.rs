//! Sends requests with the SDK's serializers, and without its orchestrator.
//!
//! What the orchestrator does for a call, and who does it here:
//!
//! | Part | Here |
//! |---|---|
//! | retries, limits for attempts and operations | [`attempt`](super::super::attempt), [`retry`](super::super::retry) |
//! | credentials, loaded and refreshed | the SDK's cache, [`Credentials`] |
//! | endpoint with Region, FIPS and dual stack | the SDK's rules, applied once at the start |
//! | signature | [`Signer`] |
//! | correction of the clock | [`Clock`] |
//! | connections, connect timeout, proxy, TLS | the SDK's HTTP client |
//! | user agent | one constant text |
//! | trace header, spans | here |
//! | invocation ids and attempt counters, features in the user agent | left out: DynamoDB does not need them |

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::Credentials as AwsCredentials;
use aws_sdk_dynamodb::config::endpoint::{DefaultResolver, Endpoint, Params, ResolveEndpoint};
use aws_sdk_dynamodb::config::{ConfigBag, RuntimeComponents};
use aws_sdk_dynamodb::error::{BoxError, SdkError};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, TimeSource as _};
use aws_smithy_runtime::client::auth::no_auth::NoAuthScheme;
use aws_smithy_runtime::client::orchestrator::endpoints::StaticUriEndpointResolver;
use aws_smithy_runtime::client::retries::strategy::NeverRetryStrategy;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{AuthSchemeId, SharedAuthScheme};
use aws_smithy_runtime_api::client::http::{
    HttpClient as _, HttpConnector as _, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::identity::{
    ResolveCachedIdentity as _, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse as _, SerializeRequest as _};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use futures_util::FutureExt as _;
use http::Uri;
use tracing::Instrument as _;

use crate::env::Variables;
use crate::store::dynamodb::clock::Clock;
use crate::store::dynamodb::transport::connections;
use crate::store::dynamodb::transport::credentials::Credentials;
use crate::store::dynamodb::transport::environment::endpoint_url;
use crate::store::dynamodb::transport::request::{Request, has_all_codecs};
use crate::store::dynamodb::transport::roots::Roots;
use crate::store::dynamodb::transport::send::{CONNECT_TIMEOUT, Ready, SendRequest, Sent};
use crate::store::dynamodb::transport::signer::Signer;

/// Sends requests to one endpoint. Clones share their connections.
#[derive(Clone)]
pub(crate) struct Lean {
    target: Arc<Target>,
    connector: SharedHttpConnector,
    connect_timeout: Duration,
}

/// The endpoint, and what each request to it needs besides a connection.
struct Target {
    config: SdkConfig,
    clock: Clock,
    credentials: Credentials,
    resolver: SharedIdentityResolver,
    components: RuntimeComponents,
    endpoint: String,
    roots: Roots,
    signer: Signer,
    user_agent: String,
    /// True in a Lambda function, whose invocations have a trace.
    is_traced: bool,
}

/// The name under which the SDK's cache finds the credentials.
const SCHEME: AuthSchemeId = AuthSchemeId::new("sigv4");

impl Lean {
    /// Creates a sender for this configuration.
    ///
    /// # Errors
    ///
    /// Returns the reason if the configuration needs the SDK's own client.
    pub(crate) fn new(
        config: &SdkConfig,
        clock: &Clock,
        credentials: &Credentials,
    ) -> Result<Self, &'static str> {
        if !has_all_codecs() {
            return Err("the AWS SDK does not offer its serializers");
        }
        let (endpoint, region) = endpoint(config)?;
        let uri: Uri = endpoint.parse().map_err(|_| "the endpoint is no URL")?;
        let host = match (uri.host(), uri.path(), uri.query()) {
            (Some(host), "/", None) => with_port(host, &uri),
            _ => return Err("the endpoint has a path"),
        };
        if uri.scheme_str() == Some("https")
            && !connections::HAS_TLS
            && config.http_client().is_none()
        {
            return Err("no feature for TLS is enabled");
        }
        let provider = config.credentials_provider();
        let provider = provider.ok_or("the configuration has no credentials")?;
        let resolver = SharedIdentityResolver::new(provider);
        let components = components(config, clock, credentials, &resolver)?;
        let timeouts = config.timeout_config();
        let connect_timeout = timeouts.and_then(TimeoutConfig::connect_timeout);
        let connect_timeout = connect_timeout.unwrap_or(CONNECT_TIMEOUT);
        let variables = Variables::of_process();
        let roots = Roots::of(&uri, &variables);
        Ok(Self {
            connector: connector(config, &components, roots, connect_timeout),
            connect_timeout,
            target: Arc::new(Target {
                signer: Signer::new(&region, &host),
                user_agent: user_agent(config, &variables),
                is_traced: (variables.0)("AWS_LAMBDA_FUNCTION_NAME").is_some(),
                config: config.clone(),
                clock: clock.clone(),
                credentials: credentials.clone(),
                resolver,
                components,
                endpoint,
                roots,
            }),
        })
    }

    /// Returns a copy with new connections that open within this time.
    fn with_connector(&self, connect_timeout: Duration) -> Self {
        let target = &self.target;
        Self {
            connector: connector(
                &target.config,
                &target.components,
                target.roots,
                connect_timeout,
            ),
            connect_timeout,
            target: Arc::clone(target),
        }
    }

    async fn send_in_span<R: Request>(&self, request: R, ready: &Ready) -> Sent<R> {
        let (serializer, deserializer) = R::codec()
            .and_then(|codec| Some((codec.serializer()?, codec.deserializer()?)))
            .ok_or_else(|| SdkError::construction_failure("the SDK has no serializer"))?;
        let mut config = ConfigBag::base();
        let input = request
            .into_input()
            .map_err(SdkError::construction_failure)?;
        let request = serializer.serialize_input(input, &mut config);
        let mut request = request.map_err(SdkError::construction_failure)?;
        let signed = self.target.sign(&mut request, &config, ready).await;
        signed.map_err(SdkError::construction_failure)?;
        let sent = self.connector.call(request).await;
        let mut response = sent.map_err(SdkError::dispatch_failure)?;
        if let Err(error) = read_body(&mut response).await {
            return Err(SdkError::response_error(error, response));
        }
        let decoded = deserializer.deserialize_nonstreaming_with_config(&response, &config);
        match decoded {
            Ok(output) => output
                .downcast::<R::Output>()
                .map_err(|_| SdkError::response_error("the output has another type", response)),
            Err(error) => {
                let mut of_service = None;
                let other = error.map_operation_error(|error| {
                    of_service = error.downcast::<R::Error>().ok();
                });
                Err(match of_service {
                    Some(error) => SdkError::service_error(error, response),
                    None => SdkError::response_error(format!("{other:?}"), response),
                })
            }
        }
    }
}

impl Target {
    /// Adds everything to a request that DynamoDB requires.
    async fn sign(
        &self,
        request: &mut HttpRequest,
        config: &ConfigBag,
        ready: &Ready,
    ) -> Result<(), BoxError> {
        let identity = self
            .credentials
            .resolve_cached_identity(self.resolver.clone(), &self.components, config)
            .await?;
        let credentials = identity.data::<AwsCredentials>();
        let credentials = credentials.ok_or("the credentials are not those of AWS")?;
        ready.set();
        request.set_uri(self.endpoint.as_str())?;
        let headers = request.headers_mut();
        headers.insert("user-agent", self.user_agent.clone());
        if self.is_traced
            && let Some(trace) = trace()
        {
            headers.insert("x-amzn-trace-id", trace);
        }
        self.signer.sign(request, credentials, self.clock.now());
        Ok(())
    }
}

impl SendRequest for Lean {
    async fn send<R: Request>(&self, request: R, ready: &Ready) -> Sent<R> {
        let span = tracing::debug_span!(
            "DynamoDB",
            "rpc.system" = "aws-api",
            "rpc.service" = "DynamoDB",
            "rpc.method" = R::OPERATION,
        );
        self.send_in_span(request, ready).instrument(span).await
    }

    fn reconnected(&self) -> Self {
        self.with_connector(self.connect_timeout)
    }

    fn with_connect_timeout(&self, timeout: Duration) -> Self {
        self.with_connector(timeout)
    }

    fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }
}

/// Returns the endpoint of a configuration and the Region of its signatures, by the SDK's rules.
fn endpoint(config: &SdkConfig) -> Result<(String, String), &'static str> {
    let region = config.region().ok_or("the configuration has no Region")?;
    let mode = config.account_id_endpoint_mode().cloned();
    let mode = mode.unwrap_or_default().to_string();
    if mode == "required" {
        return Err("the endpoint depends on the account");
    }
    let params = Params::builder()
        .region(region.as_ref())
        .set_use_dual_stack(config.use_dual_stack())
        .set_use_fips(config.use_fips())
        .set_endpoint(endpoint_url(config))
        .account_id_endpoint_mode(mode)
        .build()
        .map_err(|_| "the endpoint's parameters are invalid")?;
    let resolver = DefaultResolver::new();
    let endpoint = ResolveEndpoint::resolve_endpoint(&resolver, &params).now_or_never();
    let endpoint = endpoint.and_then(Result::ok);
    let endpoint = endpoint.ok_or("the SDK does not know the endpoint")?;
    if endpoint.headers().next().is_some() {
        return Err("the endpoint needs headers");
    }
    let signing_region = signing_region(&endpoint).unwrap_or(region.as_ref());
    Ok((endpoint.url().to_owned(), signing_region.to_owned()))
}

/// Returns the Region that an endpoint names for its signatures, as that of the Region `local` does.
fn signing_region(endpoint: &Endpoint) -> Option<&str> {
    let scheme = endpoint.auth_schemes().first()?;
    scheme.get("signingRegion")?.as_string()
}

/// Returns the host as it is signed: with the port, unless it is the default one.
fn with_port(host: &str, uri: &Uri) -> String {
    match (uri.port_u16(), uri.scheme_str()) {
        (None, _) | (Some(443), Some("https")) | (Some(80), Some("http")) => host.to_owned(),
        (Some(port), _) => format!("{host}:{port}"),
    }
}

/// Returns what the SDK's cache of credentials needs. The rest is there because the type requires
/// it, and is never used.
fn components(
    config: &SdkConfig,
    clock: &Clock,
    credentials: &Credentials,
    resolver: &SharedIdentityResolver,
) -> Result<RuntimeComponents, &'static str> {
    let sleep = config.sleep_impl();
    RuntimeComponentsBuilder::new("lambda-sessions")
        .with_identity_cache(Some(credentials.clone()))
        .with_identity_resolver(SCHEME, resolver.clone())
        .with_time_source(Some(SharedTimeSource::new(clock.clone())))
        .with_sleep_impl(Some(
            sleep.unwrap_or_else(|| SharedAsyncSleep::new(TokioSleep::new())),
        ))
        .with_auth_scheme(SharedAuthScheme::new(NoAuthScheme::new()))
        .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(Vec::new())))
        .with_endpoint_resolver(Some(StaticUriEndpointResolver::http_localhost(0)))
        .with_retry_strategy(Some(NeverRetryStrategy::new()))
        .build()
        .map_err(|_| "the AWS SDK requires other components")
}

/// Returns new connections, or those of the application's HTTP client.
fn connector(
    config: &SdkConfig,
    components: &RuntimeComponents,
    roots: Roots,
    connect_timeout: Duration,
) -> SharedHttpConnector {
    match config.http_client() {
        Some(client) => client.http_connector(&connections::settings(connect_timeout), components),
        None => connections::connector(roots, connect_timeout),
    }
}

/// Returns the user agent, which names this library, the execution environment and the application.
fn user_agent(config: &SdkConfig, variables: &Variables<'_>) -> String {
    let mut text = concat!("lambda-sessions/", env!("CARGO_PKG_VERSION"), " lang/rust").to_owned();
    let environment = (variables.0)("AWS_EXECUTION_ENV").and_then(|it| it.into_string().ok());
    if let Some(environment) = environment.filter(|it| it.bytes().all(|b| b.is_ascii_graphic())) {
        text.push_str(" exec-env/");
        text.push_str(&environment);
    }
    if let Some(name) = config.app_name() {
        text.push_str(" app/");
        text.push_str(name.as_ref());
    }
    text
}

/// Returns the trace of the current invocation, which the runtime keeps in the environment. DynamoDB
/// records it, as it does for the SDK.
fn trace() -> Option<String> {
    let trace = (Variables::of_process().0)("_X_AMZN_TRACE_ID")?
        .into_string()
        .ok()?;
    trace
        .bytes()
        .all(|byte| matches!(byte, b' '..=b'~'))
        .then_some(trace)
}

/// Replaces the body of a response by its bytes.
async fn read_body(response: &mut HttpResponse) -> Result<(), BoxError> {
    let body = std::mem::replace(response.body_mut(), SdkBody::taken());
    let bytes = ByteStream::new(body).collect().await?.into_bytes();
    *response.body_mut() = SdkBody::from(bytes);
    Ok(())
}
