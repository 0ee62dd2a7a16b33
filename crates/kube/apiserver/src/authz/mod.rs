//! Whether they may: RBAC over the cache's objects. (AUTH)

use auth::UserInfo;
use schema::status::{GroupName, Status};

use crate::server::State;
use crate::{Answer, RequestInfo};

/// What authorization keeps between requests.
#[derive(Debug, Default)]
pub(crate) struct Authz;

impl Authz {
    /// Refuses a request that its user may not make.
    pub(crate) fn check(&self, _state: &State, user: &UserInfo, info: &RequestInfo) -> Answer<()> {
        if user.groups.iter().any(|group| group == "system:masters") {
            return Ok(());
        }
        let resource = GroupName {
            group: &info.group,
            name: &info.resource,
        };
        Err(Status::forbidden(
            resource,
            &info.name,
            &format!("User {:?} is no administrator", user.name),
        )
        .into())
    }
}
