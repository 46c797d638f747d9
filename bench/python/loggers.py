# SPDX-License-Identifier: Unlicense
"""mplog and the loggers beside it, each behind the same few words.

open() sets up in the main process, begin_worker() in a forked worker, logger() is what calls go to, close() returns
when all is in the file. `calls` are the log calls in the words of each: `i` counts them.
"""
import logging
import os

# As mplog's default, in the words of each.
DEFAULT = "%(asctime)s %(levelname)-8s %(name)s [%(processName)s:%(process)d %(threadName)s] %(message)s"
CALLER = DEFAULT.replace("%(message)s", "%(pathname)s:%(lineno)d %(funcName)s: %(message)s")
PLAIN = "%(message)s"
FORMATS = {"default": DEFAULT, "caller": CALLER, "plain": PLAIN}

NAME = "bench.worker"
PERCENT_CALLS = {
    "disabled": 'log.debug("a constant message")',
    "constant": 'log.info("a constant message")',
    "values": 'log.info("request %d from %s took %f ms", i, "client-17", 12.5)',
    "fstring": 'log.info(f"request {i} from {client} took {ms:f} ms")',
    "extra": 'log.info("a constant message", extra={"request": i})',
    "exception": 'log.exception("a constant message")',
}
BRACE_CALLS = dict(PERCENT_CALLS, values='log.info("request {} from {} took {} ms", i, "client-17", 12.5)',
                   extra='log.info("a constant message", request=i)')


class Logger:
    calls = PERCENT_CALLS

    def begin_worker(self):
        pass

    def logger(self):
        return logging.getLogger(NAME)

    def close(self):
        pass


class Mplog(Logger):
    def open(self, path, form, max_bytes, backups):
        import mplog
        self.module = mplog
        mplog.setup_logging(level="INFO", log_file=path, log_to_stderr=False,
                            format_string=None if form == "default" else FORMATS[form], max_bytes=max_bytes,
                            backup_count=backups)

    def logger(self):
        return self.module.get_logger(NAME)

    def close(self):
        self.module.flush(60)


class Handler(Logger):
    """logging with one handler on the root logger."""

    def use(self, handler, form):
        handler.setFormatter(logging.Formatter(FORMATS[form]))
        logging.getLogger().addHandler(handler)
        logging.getLogger().setLevel(logging.INFO)

    def close(self):
        logging.shutdown()


class FileHandler(Handler):
    def open(self, path, form, max_bytes, backups):
        self.use(logging.FileHandler(path), form)


class RotatingFileHandler(Handler):
    """Not made for several processes: each rotates for itself."""

    def open(self, path, form, max_bytes, backups):
        import logging.handlers
        self.use(logging.handlers.RotatingFileHandler(path, maxBytes=max_bytes, backupCount=backups), form)


class ConcurrentLogHandler(Handler):
    def open(self, path, form, max_bytes, backups):
        import concurrent_log_handler
        self.use(concurrent_log_handler.ConcurrentRotatingFileHandler(path, "a", max_bytes, backups), form)


class Queue(Logger):
    """QueueHandler in all processes; a listener in the main process formats and writes."""

    def open(self, path, form, max_bytes, backups):
        import logging.handlers
        self.queue = self.make_queue()
        handler = logging.handlers.RotatingFileHandler(path, maxBytes=max_bytes, backupCount=backups)
        handler.setFormatter(logging.Formatter(FORMATS[form]))
        self.listener = logging.handlers.QueueListener(self.queue, handler)
        self.listener.start()
        logging.getLogger().addHandler(logging.handlers.QueueHandler(self.queue))
        logging.getLogger().setLevel(logging.INFO)

    def close(self):
        self.listener.stop()


class MultiprocessingQueue(Queue):
    """As the logging cookbook has it."""

    def make_queue(self):
        import multiprocessing
        return multiprocessing.get_context("fork").Queue(-1)


class ManagerQueue(Queue):
    """As the predecessor of mplog had it."""

    def make_queue(self):
        import multiprocessing
        self.manager = multiprocessing.get_context("fork").Manager()
        return self.manager.Queue(-1)

    def close(self):
        super().close()
        self.manager.shutdown()


class Loguru(Logger):
    calls = BRACE_CALLS
    formats = {"plain": "{message}",
               "default": "{time:YYYY-MM-DD HH:mm:ss,SSS} {level: <8} {name} "
                          "[{process.name}:{process.id} {thread.name}] {message}"}

    def open(self, path, form, max_bytes, backups):
        import loguru
        self.log = loguru.logger
        self.log.remove()
        self.log.add(path, level="INFO", format=self.formats[form], enqueue=True, rotation=max_bytes or None,
                     retention=backups)

    def logger(self):
        return self.log

    def close(self):
        self.log.complete()
        self.log.remove()


class Structlog(Logger):
    """Writes by itself, a line at a time, into a file that is only appended to: no rotation."""

    calls = dict(BRACE_CALLS, values='log.info("request %d from %s took %f ms", i, "client-17", 12.5)')

    def open(self, path, form, max_bytes, backups):
        import structlog
        self.file = open(path, "a", buffering=1)
        processors = [structlog.stdlib.PositionalArgumentsFormatter(), structlog.processors.format_exc_info]
        if form == "default":
            processors += [structlog.processors.add_log_level,
                           structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False), self.add_names,
                           structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "process", "event"])]
        else:
            processors.append(self.show_event)
        structlog.configure(processors=processors, wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
                            logger_factory=structlog.WriteLoggerFactory(self.file), cache_logger_on_first_use=True)
        self.log = structlog.get_logger()

    def add_names(self, log, method, event):
        import multiprocessing
        import threading
        event["process"] = "%s:%d %s" % (multiprocessing.current_process().name, os.getpid(),
                                         threading.current_thread().name)
        return event

    def show_event(self, log, method, event):
        return event["event"] + ("\n" + event["exception"] if "exception" in event else "")

    def logger(self):
        return self.log


class Logbook(Logger):
    calls = BRACE_CALLS
    formats = {"plain": "{record.message}",
               "default": "{record.time:%Y-%m-%d %H:%M:%S} {record.level_name:8} {record.channel} "
                          "[{record.process_name}:{record.process} {record.thread_name}] {record.message}"}

    def open(self, path, form, max_bytes, backups):
        import logbook
        if max_bytes:
            handler = logbook.RotatingFileHandler(path, max_size=max_bytes, backup_count=backups, level=logbook.INFO)
        else:
            handler = logbook.FileHandler(path, level=logbook.INFO)
        handler.format_string = self.formats[form]
        handler.push_application()
        self.handler = handler
        self.log = logbook.Logger(NAME, level=logbook.INFO)

    def logger(self):
        return self.log

    def close(self):
        self.handler.close()


LOGGERS = {
    "mplog": Mplog, "filehandler": FileHandler, "rotating": RotatingFileHandler, "mpqueue": MultiprocessingQueue,
    "manager": ManagerQueue, "clh": ConcurrentLogHandler, "loguru": Loguru, "structlog": Structlog, "logbook": Logbook,
}
