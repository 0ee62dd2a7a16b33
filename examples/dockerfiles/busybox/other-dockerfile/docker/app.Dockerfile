# Lies in a directory of its own, and sees the context of its parent.
FROM busybox
COPY docker/app.Dockerfile src/ /app/
CMD ["ls", "/app"]
