//! Whether they may: RBAC over the cache's objects. (AUTH)
