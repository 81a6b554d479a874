// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import io.scaleagent.clouddriver.protocol.ObjectKey;
import io.scaleagent.clouddriver.protocol.ScopeType;
import java.nio.ByteBuffer;
import java.util.Collection;
import java.util.Map;
import java.util.Set;

/**
 * Makes rows of one account's objects, by the account's settings. May be called by many threads.
 */
public interface ObjectConverter {

  /** The group of the agent that makes applications and clusters. */
  String CORE = "core";

  /** The type of the rows of a scope's objects. */
  String type(ScopeType scope);

  /** The id of an object's row. */
  String id(ScopeType scope, ObjectKey key);

  /**
   * Converts one object by itself.
   *
   * @param object JSON in UTF-8; if it is none, or another object than the key says, it is REJECTED
   */
  Conversion convert(ScopeType scope, ObjectKey key, ByteBuffer object);

  /**
   * Which objects of a namespace belong to which, beyond what they say themselves: a Service's
   * selector, for one.
   *
   * @param parts of the objects of one namespace, by the ids of their rows
   * @return ids that each belongs to; those with none may be left out
   */
  Map<String, Set<String>> relate(Map<String, Map<String, Object>> parts);

  /** Types that each row has relationships of, if only empty ones. */
  Collection<String> stickyTypes();
}
