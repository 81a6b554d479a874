// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.util.Objects;

/**
 * What the engine is told when it is made. Fluent setters; the getters' defaults are those of a
 * Clouddriver that says nothing.
 */
public final class EngineSettings {
  private String pluginVersion = "unknown";
  private String clouddriverId = "unknown";
  private int heartbeatSeconds = 10;
  private int heartbeatTimeoutSeconds = 10;
  private int writersCore = 10;
  private int writersMax = 100;
  private long gatherMillis = 5;
  private long restMillis = 50;
  private long gatherCheckpointsMillis = 2000;
  private long openApartMillis = 1000;
  private long creditBytes = 1 << 20;
  private long creditTotalBytes = Runtime.getRuntime().maxMemory() / 4;

  public String pluginVersion() {
    return pluginVersion;
  }

  public EngineSettings pluginVersion(String value) {
    pluginVersion = Objects.requireNonNull(value);
    return this;
  }

  public String clouddriverId() {
    return clouddriverId;
  }

  public EngineSettings clouddriverId(String value) {
    clouddriverId = Objects.requireNonNull(value);
    return this;
  }

  /**
   * The longest that an agent may be silent, as it is told; 0: it decides, and no stream is ended
   * for its silence.
   */
  public int heartbeatSeconds() {
    return heartbeatSeconds;
  }

  public EngineSettings heartbeatSeconds(int value) {
    heartbeatSeconds = value;
    return this;
  }

  /** How much longer than that until its stream is given up. */
  public int heartbeatTimeoutSeconds() {
    return heartbeatTimeoutSeconds;
  }

  public EngineSettings heartbeatTimeoutSeconds(int value) {
    heartbeatTimeoutSeconds = value;
    return this;
  }

  /** Threads that write, kept and at most; each is with one account at a time. */
  public int writersCore() {
    return writersCore;
  }

  public int writersMax() {
    return writersMax;
  }

  public EngineSettings writers(int core, int max) {
    writersCore = core;
    writersMax = Math.max(core, max);
    return this;
  }

  /** How long changes wait for others of their account, so that one transaction serves them. */
  public long gatherMillis() {
    return gatherMillis;
  }

  public EngineSettings gatherMillis(long value) {
    gatherMillis = value;
    return this;
  }

  /** After how long without a transaction of their account changes do not wait for others. */
  public long restMillis() {
    return restMillis;
  }

  public EngineSettings restMillis(long value) {
    restMillis = value;
    return this;
  }

  /**
   * As {@link #gatherMillis} for checkpoints: those of all scopes of an account come at about the
   * same time, and nobody waits for them.
   */
  public long gatherCheckpointsMillis() {
    return gatherCheckpointsMillis;
  }

  public EngineSettings gatherCheckpointsMillis(long value) {
    gatherCheckpointsMillis = value;
    return this;
  }

  /** A worker that opens its account again and again may do so once in this time. */
  public long openApartMillis() {
    return openApartMillis;
  }

  public EngineSettings openApartMillis(long value) {
    openApartMillis = value;
    return this;
  }

  /** How much an account may send beyond what is committed, if there are few accounts. */
  public long creditBytes() {
    return creditBytes;
  }

  public EngineSettings creditBytes(long value) {
    creditBytes = value;
    return this;
  }

  /**
   * What all accounts may send together beyond what is committed; no account gets less than one
   * message's worth.
   */
  public long creditTotalBytes() {
    return creditTotalBytes;
  }

  public EngineSettings creditTotalBytes(long value) {
    creditTotalBytes = value;
    return this;
  }
}
