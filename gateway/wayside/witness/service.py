"""A witness behind HTTP; what it answers is the witness's own business."""

from wayside.net.http.service import HttpAnswer, HttpService

from .witness import MAX_REQUEST, Witness


class WitnessServer(HttpService):
    """Serves `witness` on (host, port) while it runs; OSError when the address cannot be had."""

    def __init__(self, address: tuple[str, int], witness: Witness):
        super().__init__(address, self._respond, MAX_REQUEST)
        self._witness = witness

    def _respond(self, method: str, path: str, body: bytes) -> HttpAnswer:
        answer = self._witness.respond(method, path, body)
        return HttpAnswer(answer.status, answer.body.encode(), answer.content_type)
