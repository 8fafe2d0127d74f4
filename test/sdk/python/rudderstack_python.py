"""rudder-sdk-python"""


from rudderstack.analytics.client import Client
from segment_calls import through

through(Client)
