"""Names from a language model. A request passes the modules in this order:

- ``prompt`` (with ``subjects``) writes the question.
- ``endpoint`` (with ``secrets``) holds the URL, the model and the credentials.
- ``transport`` (with ``connections`` and ``logs``) makes the request in time.
- ``ladder`` and ``retry`` interpret an error.
- ``reply`` reads an answer, and ``texts`` the text in it (with ``fragments`` and ``values`` for
  JSON, ``lines`` for lists, and ``likely`` for both).
- ``chunk`` keeps the names.

``asking`` puts as many questions through these modules as a chunk needs.

The package imports ``core``, ``errors``, ``actors`` and ``sources.base``. ``sources`` and the
command import it.
"""
