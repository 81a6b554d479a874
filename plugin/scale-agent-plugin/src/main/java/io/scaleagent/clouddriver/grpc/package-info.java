// SPDX-License-Identifier: Apache-2.0
/**
 * The server that agents connect to: gRPC by netty, TLS, who may connect, health. What is said over
 * a stream is {@link io.scaleagent.clouddriver.protocol}'s.
 */
package io.scaleagent.clouddriver.grpc;
