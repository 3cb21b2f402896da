package conf

// known are keys of Flink that mean nothing to this version: the ones of the Java virtual machine are taken in
// silence, so that a configuration of Flink can be used as it is; the others give a warning, because who sets them
// expects something. A name in angle brackets stands for any text without a dot, a trailing ".*" for any text.
const known = `
warn   bool     execution.buffer-timeout.enabled
warn   int      jobmanager.execution.attempts-history-size job-manager.max-attempts-history-size
warn   duration task.cancellation.interval task.cancellation-interval
warn   duration taskmanager.network.partition-request-timeout
warn   duration slot.request.max-interval
warn   duration resourcemanager.job.timeout
warn   bool     execution.attached
warn   bool     execution.shutdown-on-attached-exit
warn   text     rest.url-prefix
warn   duration rest.await-leader-timeout
warn   text     jobstore.type
warn   duration client.timeout akka.client.timeout
warn   duration client.retry-period
warn   duration cluster.registration.error-delay
warn   duration metrics.fetcher.update-interval
warn   text     jobmanager.scheduler
warn   text     scheduler-mode
warn   duration jobmanager.adaptive-scheduler.submission.resource-wait-timeout jobmanager.adaptive-scheduler.resource-wait-timeout
warn   duration jobmanager.adaptive-scheduler.submission.resource-stabilization-timeout jobmanager.adaptive-scheduler.resource-stabilization-timeout
warn   duration jobmanager.adaptive-scheduler.executing.resource-stabilization-timeout
warn   duration jobmanager.adaptive-scheduler.executing.cooldown-after-rescaling jobmanager.adaptive-scheduler.scaling-interval.min
warn   int      jobmanager.adaptive-scheduler.rescale-trigger.max-checkpoint-failures
silent memory   jobmanager.memory.process.size
silent memory   jobmanager.memory.flink.size
silent memory   jobmanager.memory.heap.size
silent text     jobmanager.failure-enrichers
warn   bool     jobmanager.retrieve-taskmanager-hostname
warn   text     taskmanager.network.bind-policy
warn   text     taskmanager.load-balance.mode
silent bool     taskmanager.jvm-exit-on-oom
silent text     process.taskmanager.working-dir
warn   memory   taskmanager.memory.flink.size
silent memory   taskmanager.memory.framework.heap.size
silent memory   taskmanager.memory.framework.off-heap.size
silent memory   taskmanager.memory.task.heap.size
silent memory   taskmanager.memory.task.off-heap.size
warn   float    taskmanager.memory.network.fraction taskmanager.network.memory.fraction
warn   memory   taskmanager.memory.network.min taskmanager.network.memory.min
warn   memory   taskmanager.memory.network.max taskmanager.network.memory.max
silent memory   taskmanager.memory.jvm-metaspace.size
silent float    taskmanager.memory.jvm-overhead.fraction
warn   bool     taskmanager.network.memory.buffer-debloat.enabled
warn   duration taskmanager.network.memory.buffer-debloat.target
warn   duration taskmanager.network.memory.buffer-debloat.period
warn   bool     taskmanager.network.detailed-metrics
warn   bool     taskmanager.network.tcp-connection.enable-reuse-across-jobs
warn   int      taskmanager.network.retries taskmanager.network.retries
warn   text     taskmanager.network.compression.codec
warn   text     execution.batch-shuffle-mode
warn   float    slotmanager.max-total-resource.cpu
warn   memory   slotmanager.max-total-resource.memory
warn   int      resourcemanager.rpc.port
warn   text     pipeline.jars
silent text     pipeline.classpaths
warn   bool     pipeline.operator-chaining.chain-operators-with-different-max-parallelism
warn   bool     pipeline.auto-generate-uids
warn   map      pipeline.jobvertex-parallelism-overrides
warn   text     pipeline.vertex-description-mode
warn   bool     pipeline.vertex-name-include-index-prefix
silent text     pipeline.closure-cleaner-level
silent bool     pipeline.generic-types
warn   bool     execution.shutdown-on-application-finish
warn   bool     execution.submit-failed-job-on-application-error
warn   text     execution.state-recovery.path execution.savepoint.path
warn   bool     execution.state-recovery.ignore-unclaimed-state execution.savepoint.ignore-unclaimed-state
warn   text     execution.state-recovery.claim-mode execution.savepoint-restore-mode
warn   bool     execution.state-recovery.from-local state.backend.local-recovery
warn   duration execution.checkpointing.interval
warn   text     execution.checkpointing.mode
warn   duration execution.checkpointing.timeout
warn   duration execution.checkpointing.min-pause
warn   int      execution.checkpointing.max-concurrent-checkpoints
warn   int      execution.checkpointing.tolerable-failed-checkpoints
warn   text     execution.checkpointing.externalized-checkpoint-retention
warn   int      execution.checkpointing.num-retained state.checkpoints.num-retained
warn   text     execution.checkpointing.dir state.checkpoints.dir state.backend.fs.checkpointdir
warn   text     execution.checkpointing.savepoint-dir state.savepoints.dir savepoints.state.backend.fs.dir
warn   text     execution.checkpointing.storage state.checkpoint-storage
warn   bool     execution.checkpointing.create-subdir state.checkpoints.create-subdir
warn   bool     execution.checkpointing.incremental state.backend.incremental
warn   bool     execution.checkpointing.unaligned.enabled execution.checkpointing.unaligned
warn   duration execution.checkpointing.aligned-checkpoint-timeout execution.checkpointing.alignment-timeout
warn   bool     execution.checkpointing.unaligned.forced
warn   bool     execution.checkpointing.checkpoints-after-tasks-finish execution.checkpointing.checkpoints-after-tasks-finish.enabled
warn   duration execution.checkpointing.interval-during-backlog
warn   bool     execution.checkpointing.snapshot-compression
warn   memory   execution.checkpointing.data-inline-threshold state.storage.fs.memory-threshold state.backend.fs.memory-threshold
warn   int      execution.checkpointing.write-buffer-size state.storage.fs.write-buffer-size state.backend.fs.write-buffer-size
warn   bool     execution.checkpointing.local-backup.enabled state.backend.local-recovery
warn   bool     execution.checkpointing.file-merging.enabled
silent bool     execution.checkpointing.cleaner.parallel-mode state.checkpoint.cleaner.parallel-mode
warn   bool     state.changelog.enabled state.backend.changelog.enabled
silent text     state.changelog.storage state.backend.changelog.storage
silent duration state.changelog.periodic-materialize.interval state.backend.changelog.periodic-materialize.interval
warn   bool     state.latency-track.keyed-state-enabled state.backend.latency-track.keyed-state-enabled
warn   bool     state.size-track.keyed-state-enabled
warn   duration rest.async.store-duration
silent int      rest.server.numThreads
warn   duration rest.cache.checkpoint-statistics.timeout
silent int      rest.cache.checkpoint-statistics.size
warn   bool     rest.flamegraph.enabled
warn   duration rest.flamegraph.refresh-interval
warn   int      rest.flamegraph.num-samples
warn   duration rest.flamegraph.delay-between-samples
warn   int      rest.flamegraph.stack-depth
silent duration rest.flamegraph.cleanup-interval
warn   bool     rest.profiling.enabled
warn   duration rest.profiling.duration-max
warn   int      rest.profiling.history-size
warn   text     rest.profiling.dir
warn   bool     web.rescale.enable
warn   int      web.checkpoints.history jobmanager.web.checkpoints.history
silent int      web.history jobmanager.web.history
warn   text     job-result-store.storage-path
warn   bool     job-result-store.delete-on-commit
warn   text     cleanup-strategy.type cleanup-strategy
warn   text     blob.server.port
silent text     pekko.framesize akka.framesize
warn   duration client.heartbeat.interval
warn   duration client.heartbeat.timeout
warn   int      cluster.thread-dump.stacktrace-max-depth
silent text     cluster.uncaught-exception-handling
warn   text     high-availability.type recovery.mode high-availability
warn   text     high-availability.cluster-id high-availability.zookeeper.path.namespace recovery.zookeeper.path.namespace
warn   text     high-availability.storageDir high-availability.zookeeper.storageDir recovery.zookeeper.storageDir
warn   text     high-availability.jobmanager.port recovery.jobmanager.port
silent text     high-availability.zookeeper.quorum recovery.zookeeper.quorum
silent text     high-availability.zookeeper.path.root recovery.zookeeper.path.root
silent duration high-availability.zookeeper.client.session-timeout recovery.zookeeper.client.session-timeout
warn   duration high-availability.kubernetes.leader-election.lease-duration
warn   duration high-availability.kubernetes.leader-election.renew-deadline
warn   duration high-availability.kubernetes.leader-election.retry-period
warn   text     metrics.reporters
warn   text     metrics.reporter.<name>.factory.class
warn   duration metrics.reporter.<name>.interval
warn   text     metrics.reporter.<name>.filter.includes
warn   text     metrics.reporter.<name>.filter.excludes
warn   map      metrics.reporter.<name>.scope.variables.additional
warn   text     metrics.reporter.<name>.scope.variables.excludes
warn   text     metrics.reporter.<name>.*
warn   duration metrics.latency.interval
warn   text     metrics.latency.granularity
warn   text     metrics.scope.delimiter
warn   text     metrics.scope.jm
warn   text     metrics.scope.tm
warn   text     metrics.scope.jm-job metrics.scope.jm.job
warn   text     metrics.scope.tm-job metrics.scope.tm.job
warn   text     metrics.scope.task
warn   text     metrics.scope.operator
warn   bool     metrics.system-resource
warn   text     metrics.job.status.enable
silent text     metrics.internal.query-service.port
warn   bool     security.ssl.internal.enabled
warn   text     security.ssl.internal.keystore
warn   text     security.ssl.internal.keystore-password
warn   text     security.ssl.internal.key-password
warn   text     security.ssl.internal.truststore
warn   text     security.ssl.internal.truststore-password
warn   text     security.ssl.internal.cert.fingerprint
warn   bool     security.ssl.rest.enabled
warn   text     security.ssl.rest.keystore
warn   text     security.ssl.rest.keystore-password
warn   text     security.ssl.rest.key-password
warn   text     security.ssl.rest.truststore
warn   text     security.ssl.rest.truststore-password
warn   bool     security.ssl.rest.authentication-enabled
warn   text     security.ssl.rest.cert.fingerprint
warn   text     security.ssl.protocol
warn   text     security.ssl.algorithms
warn   bool     security.ssl.verify-hostname
warn   text     historyserver.web.address
warn   int      historyserver.web.port
warn   duration historyserver.web.refresh-interval
warn   text     historyserver.web.tmpdir
warn   text     historyserver.archive.fs.dir
warn   duration historyserver.archive.fs.refresh-interval
warn   bool     historyserver.archive.clean-expired-jobs
warn   int      historyserver.archive.retained-jobs
warn   text     historyserver.log.jobmanager.url-pattern
warn   text     historyserver.log.taskmanager.url-pattern
warn   text     kubernetes.cluster-id
warn   text     kubernetes.namespace
warn   text     kubernetes.container.image.ref kubernetes.container.image
warn   text     kubernetes.container.image.pull-policy
warn   text     kubernetes.service-account
warn   int      kubernetes.jobmanager.replicas
warn   float    kubernetes.jobmanager.cpu.amount kubernetes.jobmanager.cpu
warn   float    kubernetes.taskmanager.cpu.amount kubernetes.taskmanager.cpu
warn   map      kubernetes.jobmanager.labels
warn   map      kubernetes.jobmanager.annotations
warn   text     kubernetes.jobmanager.entrypoint.args
warn   text     kubernetes.rest-service.exposed.type
warn   map      kubernetes.rest-service.annotations
warn   text     kubernetes.pod-template-file.default kubernetes.pod-template-file
warn   text     kubernetes.config.file
warn   text     kubernetes.context
warn   text     kubernetes.env.secretKeyRef
warn   map      kubernetes.secrets
warn   text     kubernetes.flink.conf.dir
warn   text     kubernetes.flink.log.dir
silent bool     kubernetes.hostnetwork.enabled
warn   text     env.ssh.opts
warn   bool     env.stdout-err.redirect-to-file
silent text     env.java.opts.all env.java.opts
silent text     env.java.opts.jobmanager
silent text     env.java.opts.taskmanager
silent text     state.backend.rocksdb.*
silent text     state.backend.forst.*
silent text     fs.*
silent text     s3.*
silent text     yarn.*
silent text     containerized.*
silent text     env.*
silent text     table.*
silent text     sql-gateway.*
silent text     plugin.*
silent text     classloader.*
silent text     akka.*
silent text     pekko.*
silent text     python.*
silent text     blob.*
silent text     queryable-state.*
`
