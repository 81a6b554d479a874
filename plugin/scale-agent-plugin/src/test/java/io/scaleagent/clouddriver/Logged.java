// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.slf4j.LoggerFactory;

/** What a class logs, until it is closed. */
public final class Logged implements AutoCloseable {
  private final List<String> texts = new CopyOnWriteArrayList<>();
  private final Logger logger;
  private final AppenderBase<ILoggingEvent> appender =
      new AppenderBase<>() {
        @Override
        protected void append(ILoggingEvent event) {
          texts.add(event.getFormattedMessage());
        }
      };

  public Logged(Class<?> type) {
    this(type.getName());
  }

  public Logged(String name) {
    logger = (Logger) LoggerFactory.getLogger(name);
    appender.start();
    logger.setLevel(Level.INFO);
    logger.addAppender(appender);
  }

  /** So far, in order. */
  public List<String> texts() {
    return List.copyOf(texts);
  }

  @Override
  public void close() {
    logger.detachAppender(appender);
    logger.setLevel(null); // its parent's again
  }
}
