//! One file for each verb, generic over the resource. (WRITE: create update patch delete delete_collection; READ: get list watch)
