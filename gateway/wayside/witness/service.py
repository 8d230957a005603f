"""A witness behind HTTP: `POST /add-checkpoint`, nothing else."""

from wayside.http_service import Answer, HttpService

from .witness import MAX_REQUEST, Witness


class WitnessServer(HttpService):
    """Serves `witness` on (host, port) until `shutdown`; OSError when the address cannot be had."""

    def __init__(self, address: tuple[str, int], witness: Witness):
        super().__init__(address, self._respond, MAX_REQUEST)
        self._witness = witness

    def _respond(self, method: str, path: str, body: bytes) -> Answer:
        if (method, path) != ("POST", "/add-checkpoint"):
            return Answer(404, b"POST /add-checkpoint is all there is\n")
        answer = self._witness.add_checkpoint(body)
        return Answer(answer.status, answer.body.encode(), answer.content_type)
