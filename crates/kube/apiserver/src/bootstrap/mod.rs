//! What a new cluster holds before anybody asks. (AUTH)
