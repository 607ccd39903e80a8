"""Static files as they are on disk at this moment, by WhiteNoise's rules."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from whitenoise.middleware import WhiteNoiseMiddleware  # type: ignore[import-untyped]
from whitenoise.responders import MissingFileError  # type: ignore[import-untyped]


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]
    """Answers with whole files: none is larger than two megabytes, and ASGI would collect a stream first anyway.

    What may be served is settled at the start; size and date are looked up for each answer, so that a file that was
    built again meanwhile is served as it is now.
    """

    def add_file_to_dictionary(self, url: str, path: str, stat_cache: object = None) -> None:
        super().add_file_to_dictionary(url, path, stat_cache=stat_cache)
        if url in self.files:
            self.files[url] = path

    def serve(self, path: str, request: HttpRequest) -> HttpResponse:
        try:
            found = self.get_static_file(path, request.path_info)
            answer = found.get_response(request.method, request.META)
        except (MissingFileError, OSError):
            return HttpResponseNotFound("This file is not there any more.", content_type="text/plain; charset=utf-8")
        body = b""
        if answer.file is not None:
            with answer.file as file:
                body = file.read()
        response = HttpResponse(body, status=int(answer.status))
        del response["Content-Type"]
        for name, value in answer.headers:
            response[name] = value
        if answer.file is not None:
            # replaced between the look and the reading
            response["Content-Length"] = str(len(body))
        return response
