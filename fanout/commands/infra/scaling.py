"""Makes the resources that scale an asynchronous endpoint by its backlog, down to zero and up from there; pure.

As in "Autoscale an asynchronous endpoint" of the SageMaker developer guide: the backlog of each instance is kept near a
target, and as there is no such figure without instances, an alarm starts the first one.
"""

from __future__ import annotations

from fanout.commands.infra.cloudformation import Json, ref, sub

COOLDOWN_S = 300
"""Between two changes: an instance takes minutes to start, and the backlog goes on growing meanwhile."""
_NAMESPACE = "AWS/SageMaker"
_DIMENSION = {"Name": "EndpointName", "Value": sub("${Endpoint.EndpointName}")}


def scaling(*, variant: str) -> Json:
    """Return the scalable target of an endpoint's `variant`, its two policies, and the alarm of the second."""
    return {
        "Capacity": {
            "Type": "AWS::ApplicationAutoScaling::ScalableTarget",
            "Properties": {
                "ServiceNamespace": "sagemaker",
                "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
                "ResourceId": sub(f"endpoint/${{Endpoint.EndpointName}}/variant/{variant}"),
                "MinCapacity": ref("MinInstances"),
                "MaxCapacity": ref("MaxInstances"),
            },
        },
        "ByBacklog": _policy(
            "TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": ref("BacklogPerInstance"),
                "ScaleInCooldown": COOLDOWN_S,
                "ScaleOutCooldown": COOLDOWN_S,
                "CustomizedMetricSpecification": {
                    "Namespace": _NAMESPACE,
                    "MetricName": "ApproximateBacklogSizePerInstance",
                    "Dimensions": [_DIMENSION],
                    "Statistic": "Average",
                },
            },
        ),
        "FromZero": _policy(
            "StepScaling",
            StepScalingPolicyConfiguration={
                "AdjustmentType": "ChangeInCapacity",
                "MetricAggregationType": "Average",
                "Cooldown": COOLDOWN_S,
                "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
            },
        ),
        "BacklogWithoutCapacity": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmDescription": "Rows wait, and the endpoint has no instance.",
                "Namespace": _NAMESPACE,
                "MetricName": "HasBacklogWithoutCapacity",
                "Dimensions": [_DIMENSION],
                "Statistic": "Average",
                "Period": 60,
                "EvaluationPeriods": 2,
                "DatapointsToAlarm": 2,
                "Threshold": 1,
                "ComparisonOperator": "GreaterThanOrEqualToThreshold",
                "TreatMissingData": "missing",
                "AlarmActions": [ref("FromZero")],  # a reference to a scaling policy is its ARN
            },
        },
    }


def _policy(kind: str, **configuration: object) -> Json:
    return {
        "Type": "AWS::ApplicationAutoScaling::ScalingPolicy",
        "Properties": {
            "PolicyName": sub(f"${{Endpoint.EndpointName}}-{kind}"),
            "PolicyType": kind,
            "ScalingTargetId": ref("Capacity"),
            **configuration,
        },
    }
