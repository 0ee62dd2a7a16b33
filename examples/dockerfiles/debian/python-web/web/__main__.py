import greeting
import http.server
import sys


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(greeting.hello("web").encode())


if __name__ == "__main__":
    if "--check" in sys.argv:
        print(greeting.hello("check"), sys.path[0])
    else:
        http.server.HTTPServer(("", 8000), Page).serve_forever()
