//! Dockerfile to image.

#![forbid(unsafe_code)]
