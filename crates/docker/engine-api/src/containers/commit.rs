//! `POST /commit`.

use builder::apply_changes;
use engine::CommitOptions;
use http::StatusCode;
use image::RunConfig;
use serde_json::{Value, json};

use crate::Api;
use crate::convert::create::{checks, merge_into_image};
use crate::error::ApiError;
use crate::go_json;
use crate::images::repo_tag;
use crate::server::call::Call;
use crate::server::reply::Reply;
use crate::wire::config::Config;

/// `POST /commit`: the body is a `Config` that the container's own completes.
pub(crate) async fn commit(call: Call<Api>) -> Result<Reply, ApiError> {
    call.check_for_json()?;
    let (api, query) = (call.state.clone(), call.query.clone());
    let body = call.bytes().await?;
    let own: Option<Config> = match body.iter().all(u8::is_ascii_whitespace) {
        true => None,
        false => Some(go_json::parse(&body)?)
            .filter(|body| *body != Value::Null)
            .map(go_json::decode)
            .transpose()?,
    };
    if let Some(own) = &own {
        checks::config(own)?;
    }
    let reference = repo_tag(query.get("repo"), query.get("tag"))?;
    let view = api.view(api.find(query.get("container"))?);
    let changes: Vec<_> = query.all("changes").map(String::from).collect();
    // Without a body the changes amend the container's own configuration, in its order.
    let amended = own.as_ref().unwrap_or(&view.door.config);
    let asked = apply_changes(run_config(amended), &changes)?;
    let options = CommitOptions {
        reference,
        comment: query.get("comment").to_owned(),
        author: query.get("author").to_owned(),
        pause: query.bool_or("pause", true),
        config: Some(merge_into_image(asked, &run_config(&view.door.config))),
    };
    let id = api.engine.commit(&view.container.id, options).await?;
    Reply::json_with(StatusCode::CREATED, &json!({ "Id": id.to_string() }))
}

/// What an image keeps of a container's configuration.
fn run_config(config: &Config) -> RunConfig {
    let set = |names: &std::collections::BTreeMap<String, crate::wire::config::Empty>| {
        names.keys().map(|name| (name.clone(), image::Empty {})).collect()
    };
    RunConfig {
        user: config.user.clone(),
        exposed_ports: set(&config.exposed_ports),
        env: config.env.clone().unwrap_or_default(),
        entrypoint: config.entrypoint.clone(),
        cmd: config.cmd.clone(),
        volumes: config.volumes.as_ref().map(set).unwrap_or_default(),
        working_dir: config.working_dir.clone(),
        labels: config.labels.clone().unwrap_or_default(),
        stop_signal: config.stop_signal.clone(),
        stop_timeout: config.stop_timeout,
        healthcheck: config.healthcheck.as_ref().map(|check| image::Healthcheck {
            test: check.test.clone(),
            interval: check.interval,
            timeout: check.timeout,
            start_period: check.start_period,
            start_interval: check.start_interval,
            retries: check.retries,
        }),
        shell: config.shell.clone(),
        on_build: config.on_build.clone().unwrap_or_default(),
        args_escaped: config.args_escaped,
        ..RunConfig::default()
    }
}
