wit_bindgen::generate!({ path: "../../wit", world: "runner" });

use alga::extension::types::{HttpHeader, HttpRequest};
use alga::extension::{context, context_v2, logging, storage_v2};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

const NAMESPACE: &str = "counters";

struct Hello;
export!(Hello);

impl Guest for Hello {
    fn handler(request: ExecuteRequest) -> ExecuteResponse {
        let line = format!("{} {}", request.http.method, request.http.url);
        let response = route(request.http);
        logging::log_info(&format!("{line} -> {}", response.status));
        response
    }
}

fn route(request: HttpRequest) -> ExecuteResponse {
    let path = request.url.split('?').next().unwrap_or_default();
    let name = path.strip_prefix("/hello/").filter(|name| !name.is_empty() && !name.contains('/'));
    match (request.method.as_str(), path, name) {
        ("GET", _, Some(name)) => hello(name),
        ("POST", "/echo", _) => echo(request),
        ("GET", "/health", _) => answer(200, json!({ "ok": true })),
        _ => answer(404, json!({ "error": "not-found", "path": path })),
    }
}

fn hello(encoded: &str) -> ExecuteResponse {
    let Ok(name) = percent_decode_str(encoded).decode_utf8() else {
        return answer(400, json!({ "error": "the name is not UTF-8" }));
    };
    let config: Value = serde_json::from_str(&context_v2::get_config()).unwrap_or_default();
    let greeting = config["greeting"].as_str().unwrap_or("Hello");
    // However many count at the same time, each gets a number of its own.
    match storage_v2::increment(NAMESPACE, &name, 1, None) {
        Ok(count) => answer(
            200,
            json!({
                "greeting": format!("{greeting}, {name}!"),
                "tenant": context::get_context().tenant_id,
                "count": count,
            }),
        ),
        Err(error) => answer(500, json!({ "error": format!("{error:?}") })),
    }
}

fn echo(HttpRequest { headers, body, .. }: HttpRequest) -> ExecuteResponse {
    let sent = headers.into_iter().find(|header| header.name.eq_ignore_ascii_case("content-type"));
    let content_type = sent.map_or("application/octet-stream".into(), |header| header.value);
    ExecuteResponse { status: 200, headers: vec![content_type_is(content_type)], body }
}

fn answer(status: u16, value: Value) -> ExecuteResponse {
    let headers = vec![content_type_is("application/json".into())];
    ExecuteResponse { status, headers, body: Some(value.to_string().into_bytes()) }
}

fn content_type_is(value: String) -> HttpHeader {
    HttpHeader { name: "content-type".into(), value }
}
