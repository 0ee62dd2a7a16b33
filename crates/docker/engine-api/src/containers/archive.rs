//! Files of a container as archives: stat, get, put, export.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::copy::{PathStat, PutOptions, View};
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use image::Rootfs;
use image::archive::{Pack, pack};
use serde_json::json;
use std::os::fd::AsFd;
use std::path::Path;

use crate::Api;
use crate::api::blocking;
use crate::convert::time::rfc3339;
use crate::error::ApiError;
use crate::server::call::Call;
use crate::server::reply::{Reply, TAR};
use crate::stream::tar::tar_reply;

const STAT: HeaderName = HeaderName::from_static("x-docker-container-path-stat");

/// What every request about an archive names.
fn named(call: &Call<Api>) -> Result<(String, String), ApiError> {
    let path = call.query.get("path");
    match (call.name.as_str(), path) {
        ("", _) => Err(ApiError::bad("bad parameter: namecannot be empty")),
        (_, "") => Err(ApiError::bad("bad parameter: pathcannot be empty")),
        (name, path) => Ok((name.to_owned(), path.to_owned())),
    }
}

fn stat_header(stat: &PathStat) -> HeaderValue {
    let document = json!({
        "name": stat.name,
        "size": stat.size,
        "mode": stat.mode,
        "mtime": rfc3339(Some(stat.modified)),
        "linkTarget": stat.link_target,
    });
    // Base64 is always a header's value.
    HeaderValue::try_from(STANDARD.encode(document.to_string())).unwrap_or(HeaderValue::from_static(""))
}

/// The container's files, whether it runs or not.
fn view(api: &Api, name: &str) -> Result<View, ApiError> {
    Ok(api.engine.files(name)?)
}

/// `HEAD /containers/ID/archive`.
pub(crate) async fn stat(call: Call<Api>) -> Result<Reply, ApiError> {
    let (name, path) = named(&call)?;
    let api = call.state.clone();
    let stat = blocking(move || view(&api, &name)?.stat(&name, &path).map_err(ApiError::from)).await?;
    let mut reply = Reply::empty(StatusCode::OK);
    if let Reply::Http(response) = &mut reply {
        response.headers_mut().insert(STAT, stat_header(&stat));
    }
    Ok(reply)
}

/// `GET /containers/ID/archive`.
pub(crate) async fn get(call: Call<Api>) -> Result<Reply, ApiError> {
    let (name, path) = named(&call)?;
    let (api, wanted) = (call.state.clone(), (name.clone(), path.clone()));
    let found = blocking(move || {
        let view = view(&api, &wanted.0)?;
        let stat = view.stat(&wanted.0, &wanted.1)?;
        api.publish_of(&wanted.0, "archive-path", []);
        Ok::<_, ApiError>((view, stat))
    });
    let (view, stat) = found.await?;
    let mut reply = tar_reply(TAR, move |out| Ok(view.pack(&name, &path, out).map(drop)?)).await?;
    if let Reply::Http(response) = &mut reply {
        response.headers_mut().insert(STAT, stat_header(&stat));
    }
    Ok(reply)
}

/// `PUT /containers/ID/archive`.
pub(crate) async fn put(call: Call<Api>) -> Result<Reply, ApiError> {
    let (name, path) = named(&call)?;
    let options = PutOptions {
        no_overwrite_dir_non_dir: call.query.bool("noOverwriteDirNonDir"),
        owner: None,
    };
    let copy_owner = call.query.bool("copyUIDGID");
    let api = call.state.clone();
    let container = api.find(&name)?;
    let owner = if copy_owner {
        numeric_owner(&container.spec.user)?
    } else {
        None
    };
    let options = PutOptions { owner, ..options };
    let mut archive = call.reader();
    blocking(move || {
        let view = view(&api, &name)?;
        view.put(&container, &name, &path, &mut archive, (api.images(), options))?;
        api.publish_of(&container.id, "extract-to-dir", []);
        Ok::<_, ApiError>(())
    })
    .await?;
    Ok(Reply::empty(StatusCode::OK))
}

/// The container's user when it is a number; a container without one is root's.
fn numeric_owner(user: &str) -> Result<Option<(u32, u32)>, ApiError> {
    let (uid, gid) = user.split_once(':').unwrap_or((user, ""));
    let number = |text: &str| {
        if text.is_empty() {
            Some(0)
        } else {
            text.parse().ok()
        }
    };
    match number(uid).zip(number(gid)) {
        Some(owner) => Ok(Some(owner)),
        None => Err(ApiError::unsupported(format!(
            "copyUIDGID for the user name {user:?} is not supported yet: use a number"
        ))),
    }
}

/// `GET /containers/ID/export`: the root file system without volumes.
pub(crate) async fn export(call: Call<Api>) -> Result<Reply, ApiError> {
    let api = call.state.clone();
    let container = api.find(&call.name)?;
    let id = container.id.clone();
    tar_reply(HeaderValue::from_static("application/octet-stream"), move |out| {
        let rootfs = api
            .images()
            .rootfs(&id)
            .ok_or_else(|| ApiError::internal(format!("container {id} has no root file system")))?;
        let root = read_only(rootfs)
            .mount()
            .map_err(|cause| ApiError::internal(format!("mounting the root file system: {cause}")))?;
        let whole = Pack {
            contents: true,
            ..Pack::default()
        };
        pack(root.as_fd(), Path::new("/"), &whole, out)?;
        api.publish_of(&id, "export", []);
        Ok(())
    })
    .await
}

/// The same files, none of which can be written: what the container changed is one more layer.
fn read_only(rootfs: Rootfs) -> Rootfs {
    let lower = rootfs.upper.into_iter().chain(rootfs.lower).collect();
    Rootfs {
        lower,
        upper: None,
        work: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_numbers() {
        assert_eq!(numeric_owner(""), Ok(Some((0, 0))));
        assert_eq!(numeric_owner("1000"), Ok(Some((1000, 0))));
        assert_eq!(numeric_owner("1000:5"), Ok(Some((1000, 5))));
        assert_eq!(numeric_owner("www-data").unwrap_err().status.as_u16(), 501);
    }
}
