"""Names from a language model. A request passes the modules in this order:

- ``prompt`` (with ``subjects``) writes the question.
- ``endpoint`` (with ``secrets`` and ``vendors``) holds the URL, the model and the credentials.
- ``transport`` (with ``connections``, ``unpacking`` and ``logs``) makes the request in time.
- ``ladder`` and ``retry`` interpret an error.
- ``reply`` (with ``texts``, ``fragments``, ``lines`` and ``values``) reads names from an answer.
- ``chunk`` keeps the names.

``asking`` puts one question through all of these modules. ``nomenclater`` asks as many questions as
a chunk needs.

The package imports ``core``, ``errors``, ``actors.forks`` and ``sources.base``. ``sources`` and the
command import it.
"""
