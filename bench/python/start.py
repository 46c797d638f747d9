# SPDX-License-Identifier: Unlicense
"""start.py LOGGER FILE - prints the nanoseconds from its first statement until the first line is in the file."""
import time

begin = time.perf_counter_ns()
import sys  # noqa: E402 - what each logger imports is part of what is measured


def nothing(path):
    pass


def import_logging(path):
    import logging  # noqa: F401


def filehandler(path):
    import logging
    logging.basicConfig(filename=path, level="INFO", format="%(asctime)s %(levelname)-8s %(name)s %(message)s")
    logging.getLogger("a").info("first")


def manager(path):
    import logging.handlers
    import multiprocessing
    server = multiprocessing.Manager()
    queue = server.Queue(-1)
    listener = logging.handlers.QueueListener(queue, logging.FileHandler(path))
    listener.start()
    logging.getLogger().addHandler(logging.handlers.QueueHandler(queue))
    logging.getLogger().setLevel("INFO")
    logging.getLogger("a").info("first")
    listener.stop()


def mplog(path):
    from mplog import flush, get_logger, setup_logging
    setup_logging(log_file=path, log_to_stderr=False)
    get_logger("a").info("first")
    flush()


def clh(path):
    import logging
    import concurrent_log_handler
    logging.basicConfig(handlers=[concurrent_log_handler.ConcurrentRotatingFileHandler(path)], level="INFO")
    logging.getLogger("a").info("first")


def loguru(path):
    from loguru import logger
    logger.remove()
    logger.add(path, enqueue=True)
    logger.info("first")
    logger.complete()


def structlog(path):
    import structlog
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(open(path, "a", buffering=1)))
    structlog.get_logger().info("first")


def logbook(path):
    import logbook
    with logbook.FileHandler(path).applicationbound():
        logbook.Logger("a").info("first")


globals()[sys.argv[1]](sys.argv[2])
took = time.perf_counter_ns() - begin
if sys.argv[1] not in ("nothing", "import_logging"):
    with open(sys.argv[2]) as f:
        assert "first" in f.read(), "the line is not there"
print(took)
